"""The table of nights: one row a run, replaced when it is reported again, the latest night first."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from recommender_job.reporting.nights import Night, nights, record
from recommender_job.storage.database import Database

FIRST = datetime(2024, 1, 1, 7, tzinfo=UTC)
GOOD = Night("a", FIRST, "published", (), 0.7, 1.0, 3, "/runs/a/report/report.html", {"pairs": 12})


def ids(database: Database, n: int, through: datetime | None = None) -> list[str]:
    return [night["run_id"] for night in nights(database, n, through=through)]


def test_a_night_is_read_as_it_was_recorded(database: Database) -> None:
    record(database, GOOD)
    (row,) = nights(database, 5)
    reported_at = row.pop("reported_at")
    assert row == {**vars(GOOD), "reasons": []}
    assert reported_at.tzinfo is not None


def test_a_night_that_got_nowhere_has_reasons_and_nothing_else(database: Database) -> None:
    record(database, Night("b", FIRST, "failed", ("DatabaseAway: gone.", "Wait.")))
    (row,) = nights(database, 1)
    assert row["reasons"] == ["DatabaseAway: gone.", "Wait."]
    assert [row[name] for name in ("rmse", "max_rmse", "publication_id", "report")] == [None] * 4
    assert row["figures"] == {}


def test_reporting_a_run_again_replaces_every_column_of_its_row(database: Database) -> None:
    record(database, replace(GOOD, outcome="blocked", reasons=("no",)))
    record(database, replace(GOOD, run_id="other"))
    before = next(night for night in nights(database, 5) if night["run_id"] == "a")
    later = Night("a", FIRST + timedelta(days=1), "dry run", ("x", "y"), 0.5, 0.9, 7, None, {"pairs": 13})
    record(database, later)
    row = next(night for night in nights(database, 5) if night["run_id"] == "a")
    assert row.pop("reported_at") > before["reported_at"]
    assert row == {**vars(later), "reasons": ["x", "y"]}
    assert ids(database, 5) == ["a", "other"]


def test_the_latest_cutoff_comes_first_and_n_bounds(database: Database) -> None:
    for run_id, day in (("b", 2), ("d", 4), ("a", 1), ("c", 3)):
        record(database, replace(GOOD, run_id=run_id, cutoff=FIRST + timedelta(days=day)))
    assert ids(database, 10) == ["d", "c", "b", "a"]
    assert ids(database, 2) == ["d", "c"]
    assert ids(database, 10, through=FIRST + timedelta(days=2)) == ["b", "a"]
    record(database, replace(GOOD, run_id="again", cutoff=FIRST + timedelta(days=3)))
    assert ids(database, 3) == ["d", "again", "c"]


def test_what_json_cannot_hold_is_refused_before_it_is_kept(database: Database) -> None:
    with pytest.raises(ValueError, match="JSON"):
        record(database, replace(GOOD, figures={"rmse": float("nan")}))
    assert nights(database, 1) == []
