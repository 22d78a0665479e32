"""A user is erased from everything that two nights have left; nobody else notices."""

from __future__ import annotations

import pytest

from recommender_job.runs import Run
from tests.erasing.conftest import ERASED, RUNS, World


def test_nothing_is_left_of_the_user_and_the_jobs_rights_are_enough(world: World, job: World) -> None:
    before = set(world.traces())
    # Every kind of place is among them, or this test could not fail.
    assert {
        "recommender.quarantine", "recommender.recommendation_1", "recommender.recommendation_2",
        "first/extract/snapshot.parquet", "first/clean/rejected.parquet", "second/extract/opt_outs.parquet",
        "second/train/champion/network-0/weights.npz", "second/refit/model/relevance.npz",
        "second/refit/saved_model/saved_model.pb", "second/evaluate/lists.parquet", "recommender.night",
        "first/failed/publish.json", "first/finished/report.json", "first/report/report.html",
        "second/report/report.html",
    } < before  # fmt: skip
    shown = world.shown()
    job.erase()
    assert world.traces() == []
    assert world.shown() == shown
    assert world.rows("select * from recommender.recommendations where user_id = :user", user=ERASED) == []
    assert not list(world.runs.rglob(".*"))


def test_the_receipt_counts_what_went(world: World) -> None:
    def rows(run: Run) -> int:
        names = [
            str(file.relative_to(world.runs / run.folder)) for file in (world.runs / run.folder).rglob("*.parquet")
        ]
        return sum(world.folder(run).read_table(name).num_rows for name in names)

    before, users = [rows(run) for run in RUNS], world.folder().summary("plan_shards")["users"]
    files = sum(trace.startswith("first/") and trace.endswith(".parquet") for trace in world.traces())
    receipt = world.erase()
    first, second = (old - rows(run) for old, run in zip(before, RUNS, strict=True))
    assert receipt["runs"] == {
        "first": {"files": files, "rows": first, "models": 4, "reports": 3, "served": "rewritten"},
        "second": {"files": files, "rows": second, "models": 6, "reports": 1, "served": "rewritten"},
    }
    assert receipt["publications"] == {"1": 5, "2": 5}
    assert (receipt["quarantine"], receipt["nights"], receipt["looked_at"], receipt["complete"]) == (2, 1, 2, True)
    books = {"users": users - 1, "rows": (users - 1) * 5}
    assert world.rows("select users, rows from recommender.publication") == [books, books]
    assert receipt["erased_at"] == world.rows("select erased_at from recommender.erasure")[0]["erased_at"].isoformat()


def test_erasing_again_changes_no_file_and_finds_nothing(world: World) -> None:
    world.erase()
    before, books = world.states(), world.rows("select users, rows from recommender.publication")
    again = world.erase()
    assert (again["publications"], again["quarantine"], again["nights"], again["runs"]) == ({}, 0, 0, {})
    assert world.states() == before
    assert world.rows("select users, rows from recommender.publication") == books


@pytest.mark.parametrize("user_id", [1_234_567_890_123, -ERASED, 2**63 - 1, -(2**63)])
def test_a_user_nobody_knows_is_remembered_and_nothing_is_changed(world: World, user_id: int) -> None:
    before, traces = world.states(), world.traces()
    receipt = world.erase(user_id)
    assert (receipt["publications"], receipt["quarantine"], receipt["runs"]) == ({}, 0, {})
    assert world.states() == before
    assert world.traces() == traces
    assert world.rows("select user_id from recommender.erasure") == [{"user_id": user_id}]
