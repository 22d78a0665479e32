"""A run that is done again, in part: marks of the attempt before lie there, and must not be told as this one's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from recommender_job import nightly
from recommender_job.errors import ArtifactBroken, GateBlocked, RunTooOld, StageMissing, StorageFailed
from recommender_job.evaluating import approval
from recommender_job.reporting import failed_stages
from recommender_job.reporting.metrics import families
from recommender_job.reporting.progress import progress_of
from tests.reporting.conftest import NOW, SECOND, World, verdict_text


def test_a_rerun_that_fails_at_once_has_a_report_and_a_row(world: World) -> None:
    world.folder().begin("extract")  # all that comes after is still marked as finished
    failed_stages.note(world.config, world.folder(), "extract", RunTooOld("A newer one is live.", action="Leave it."))
    summary = nightly.report(world.config, SECOND)
    assert (summary["outcome"], summary["reasons"]) == ("failed", ["extract: RunTooOld: A newer one is live."])
    assert "failed at extract (RunTooOld)" in verdict_text(nightly.report_html(world.config, "second"))
    assert world.night()["outcome"] == "failed"
    with pytest.raises(StageMissing, match="`extract` has not finished"):
        nightly.result(world.config, "second")


def test_a_stage_that_died_without_a_word_is_not_explained(world: World) -> None:
    world.folder().begin("extract")
    assert nightly.report(world.config, SECOND)["is_explained"] is False
    failed_stages.note(world.config, world.folder(), "extract", RunTooOld("A newer one is live.", action="Leave it."))
    assert nightly.report(world.config, SECOND)["is_explained"] is True


def test_figures_of_an_earlier_attempt_are_no_result(world: World) -> None:
    world.folder().begin("clean")
    with pytest.raises(StageMissing, match="`clean` has not finished"):
        nightly.result(world.config, "second")


def rerun_of_what_is_live(blocked: Callable[..., World]) -> World:
    """The gate was cleared alone and blocks now; `refit`, `score` and `publish` are still marked."""
    world = blocked(when_blocked="ask")
    for stage in ("refit", "score-0000", "score-0001"):
        world.folder().finish(stage, {"seconds": 1, "model_version": "x"})
    world.folder().finish("plan_shards", {"seconds": 1, "shards": [0, 1]})
    world.folder().finish("publish", {"seconds": 1, "published": True, "publication_id": 2})
    return world


def stages_measured(world: World) -> list[str]:
    found = families(world.config, world.database, NOW)
    (seconds,) = [family for family in found if family.name == "recommender_night_stage_duration_seconds"]
    return [labels["stage"] for labels, _ in seconds.samples]


def test_a_blocked_rerun_of_what_is_live_is_blocked_everywhere(blocked: Callable[..., World]) -> None:
    world = rerun_of_what_is_live(blocked)
    summary = nightly.report(world.config, SECOND)
    assert (summary["outcome"], summary["publication_id"]) == ("blocked", None)
    assert world.night()["outcome"] == "blocked"
    assert verdict_text(nightly.report_html(world.config, "second")).startswith("Blocked The gate stopped")
    upto = ["extract", "clean", "train", "evaluate", "gate"]
    assert stages_measured(world) == list(nightly.result(world.config, "second")["stages"]) == upto
    assert list(progress_of(world.folder()).stages) == upto


def test_let_through_it_is_told_as_published(blocked: Callable[..., World]) -> None:
    world = rerun_of_what_is_live(blocked)
    world.approve("so be it")
    summary = nightly.report(world.config, SECOND)
    assert (summary["outcome"], world.night()["figures"]["override"]) == ("published", True)
    assert stages_measured(world)[-1] == "publish"
    assert nightly.result(world.config, "second")["override"]["reason"] == "so be it"


def test_an_approval_survives_damage_to_another_summary(blocked: Callable[..., World]) -> None:
    world = rerun_of_what_is_live(blocked)
    world.approve("so be it")
    world.folder().write_text("finished/publish.json", "{")
    nightly.report(world.config, SECOND)
    assert "Let through by ana" in verdict_text(nightly.report_html(world.config, "second"))


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (StorageFailed("disk full", action="Free it."), "failed"),
        (GateBlocked("ana approved without saying why.", action="Again.", figures={}), "blocked"),
    ],
)
def test_an_approval_that_could_not_be_kept_is_told(blocked: Callable[..., World], error: Any, outcome: str) -> None:
    world = rerun_of_what_is_live(blocked)
    failed_stages.note(world.config, world.folder(), approval.STAGE, error)
    progress = progress_of(world.folder())
    assert (progress.outcome, progress.stopped_at) == (outcome, "override")
    if outcome == "failed":
        assert progress.reasons == ("override: StorageFailed: disk full",)
    world = blocked(when_blocked="ask")  # the gate begins again
    assert progress_of(world.folder()).stopped_at == "refit"


@pytest.mark.parametrize("stage", ["train", "publish"])
def test_a_damaged_summary_is_no_result(world: World, stage: str) -> None:
    world.folder().write_text(f"finished/{stage}.json", "{")
    with pytest.raises(ArtifactBroken, match=rf"{stage}\.json is damaged"):
        nightly.result(world.config, "second")
