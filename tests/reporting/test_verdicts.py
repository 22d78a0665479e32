"""The top of the report: whatever became of the night, one sentence says it, and the table of nights agrees."""

from __future__ import annotations

from collections.abc import Callable

from recommender_job import nightly
from recommender_job.errors import DatabaseAway, GateBlocked, OutputRefused, StorageFailed
from recommender_job.evaluating import approval
from recommender_job.reporting.progress import progress_of
from tests.reporting.conftest import FIRST, NOW, SECOND, STAGES, World, verdict_text


def test_a_night_that_is_live(world: World) -> None:
    world.run("update recommender.publication set fresh_hours = 1e6")
    summary = world.report()
    assert summary["outcome"] == "published"
    told = verdict_text(nightly.report_html(world.config, "second"))
    assert told.startswith(
        "Published Tonight's lists are live as publication 2, with ratings up to 2024-01-02 07:00 UTC."
    )
    assert told.endswith("What to do: Nothing.")
    night = world.night()
    assert (night["outcome"], night["reasons"], night["publication_id"], night["max_rmse"]) == ("published", [], 2, 9)
    assert night["rmse"] == world.folder().summary("evaluate")["rmse"]
    assert night["report"] == summary["report"] == world.folder().url("report/report.html")
    assert night["figures"]["pairs"] == world.folder().summary("clean")["pairs"]


def test_a_night_that_is_live_and_stale(world: World) -> None:
    told = verdict_text(world.html())  # of years ago
    assert "they are stale by now" in told
    assert "#checking-freshness" in told


def test_a_night_that_was_replaced_since(world: World) -> None:
    told = verdict_text(world.html(FIRST))
    assert (
        "went live as publication 1, and have been replaced since; the website shows publication 2 of run second."
        in (told)
    )


def test_a_dry_run(world: World) -> None:
    publish = world.folder().summary("publish")
    world.folder().finish("publish", {**publish, "published": False, "publication_id": 3})
    told = verdict_text(world.html())
    assert told.startswith(
        "Dry run Publication 3 was built and checked, and not shown, as asked for; the website keeps"
    )
    assert "publications activate 3" in told
    assert world.night()["outcome"] == "dry run"


def test_a_blocked_night_says_why_and_what_the_website_shows(blocked: Callable[..., World]) -> None:
    world = blocked()
    told = verdict_text(world.html())
    assert told.startswith(
        "Blocked The gate stopped tonight's model; the website keeps showing publication 2, complete"
    )
    assert "with ratings up to 2024-01-02 07:00 UTC (STALE since 2024-01-03 19:00 UTC)." in told
    assert "is above the bound gate.max_rmse 0.01." in told
    assert told.endswith("See docs/runbook.md#gateblocked .")
    night = world.night()
    assert night["outcome"] == "blocked"
    assert night["reasons"] == world.folder().read_json(approval.VERDICT)["reasons"]
    assert (night["publication_id"], night["max_rmse"]) == (None, 0.01)


def test_what_is_live_may_well_be_fresh_while_a_night_is_blocked(blocked: Callable[..., World]) -> None:
    world = blocked()
    world.run("update recommender.publication set fresh_hours = 1e6")
    assert "(fresh until 2138-" in verdict_text(world.html())


def test_a_gate_that_lets_somebody_decide_counts_as_blocked_until_then(blocked: Callable[..., World]) -> None:
    world = blocked(when_blocked="ask")
    assert world.report()["outcome"] == "blocked"
    world.fail("refit", GateBlocked("nobody answered", action="wait", figures={}))
    assert world.report()["outcome"] == "blocked"


def test_who_let_a_blocked_model_through_stands_on_top(world: World) -> None:
    world.block("RMSE is too high.")
    world.approve("new <catalogue>")
    world.run("update recommender.publication set fresh_hours = 1e6")
    told = verdict_text(world.html())
    assert "are live as publication 2, with ratings up to 2024-01-02 07:00 UTC, although the gate had blocked" in told
    assert "Let through by ana , 2024-01-02T08:00:00+00:00: new <catalogue>" in told
    assert "RMSE is too high." in told
    assert world.night()["outcome"] == "published"
    assert world.night()["figures"]["override"] is True


def test_an_override_takes_back_the_block(blocked: Callable[..., World]) -> None:
    world = blocked(when_blocked="ask")
    world.approve("why not")
    world.fail("refit", StorageFailed("disk full", action="Free it."))
    assert world.report()["outcome"] == "failed"


def test_a_failed_night_names_stage_cause_and_next_step(world: World) -> None:
    world.fail("train", StorageFailed("/runs: disk full.", action="Free the disk."))
    told = verdict_text(world.html())
    assert told.startswith("Failed The night failed at train (StorageFailed); the website keeps showing publication 2")
    assert "train: StorageFailed: /runs: disk full." in told
    assert "What to do: Free the disk. See docs/runbook.md#storagefailed ." in told
    night = world.night()
    assert (night["outcome"], night["reasons"]) == ("failed", ["train: StorageFailed: /runs: disk full."])
    assert [night[name] for name in ("rmse", "max_rmse", "publication_id")] == [None] * 3


def test_a_gate_that_fails_otherwise_is_not_blocked_by_the_verdict_of_before(blocked: Callable[..., World]) -> None:
    world = blocked()
    world.fail("gate", DatabaseAway("gone", action="wait"))
    assert world.report()["outcome"] == "failed"


def test_what_an_earlier_attempt_has_left_behind_is_not_told(blocked: Callable[..., World]) -> None:
    world = blocked()  # its verdict is there, and marks of stages after the one that fails
    for stage in STAGES[5:]:
        world.folder().finish(stage, {"seconds": 1, "shards": [0, 1], "published": True, "publication_id": 2})
    world.folder().begin("evaluate")
    progress = progress_of(world.folder())
    assert list(progress.stages) == ["extract", "clean", "train"]
    assert (progress.stopped_at, progress.outcome, progress.verdict) == ("evaluate", "failed", None)


def test_a_run_that_left_no_error_was_killed_or_is_at_work(world: World) -> None:
    world.unfinish("refit")
    told = verdict_text(world.html())
    assert told.startswith("Unfinished The night has not got past refit, and left no error: it is still running or was")
    assert world.night()["reasons"] == ["refit has not finished and left no error."]


def test_a_defect_is_called_one(world: World) -> None:
    world.fail("evaluate", ValueError("no such column\nand a second line"))
    told = verdict_text(world.html())
    assert "The night failed at evaluate (a defect of the job)" in told
    assert "second line" not in world.night()["reasons"][0]


def test_shards_that_fail_are_all_named_and_the_others_are_shown(world: World) -> None:
    world.folder().begin("publish")
    world.folder().begin("score-0000")
    world.folder().begin("score-0001")
    world.fail("score-0001", OutputRefused("second", action="b"))
    told = verdict_text(world.html())
    assert "failed at score-0001 (OutputRefused)" in told
    world.fail("score-0000", OutputRefused("first", action="a"))
    world.folder().finish("score-0000", {**world.folder().summary("refit")})
    progress = progress_of(world.folder())
    assert "score-0000" in progress.stages
    assert progress.reasons == ("score-0001: OutputRefused: second",)


def test_nothing_was_ever_live(world: World) -> None:
    world.run("delete from recommender.active_publication")
    world.unfinish("clean")
    assert "the website shows nothing yet, as no night has ever gone live." in verdict_text(world.html())


def test_every_half_done_state_has_a_report(world: World) -> None:
    for stage in reversed(STAGES):
        assert_reported_up_to(world, stage)


def assert_reported_up_to(world: World, stage: str) -> None:
    world.unfinish(stage)
    html = world.html()
    assert f"has not got past {stage}" in html
    assert world.night()["outcome"] == "failed"
    assert html.rstrip().endswith("</html>")
    done = STAGES.index(stage)
    # What each section needs, and a text that only it has.
    for needed, text in (
        ("clean", "share of ratings (%)"),
        ("clean", "Refused:"),
        ("evaluate", "Differences that the gate looks at"),
        ("evaluate", "mean predicted rating of a group"),
        ("gate", "<b>Passed.</b>"),
        ("score-0001", "stand in at least one of the lists"),
    ):
        judged = needed == "gate" and done > STAGES.index("evaluate")  # the verdict lies there already
        assert (text in html) == (done > STAGES.index(needed) or judged), (needed, text)


def test_a_run_without_a_folder_has_a_report(world: World) -> None:
    run = type(SECOND)("never-begun", NOW)
    assert verdict_text(world.html(run)).startswith("Unfinished The night has not got past extract")
