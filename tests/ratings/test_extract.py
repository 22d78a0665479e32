"""Extracting: each night reads only what is new, and the snapshot is what a full read would give."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from recommender_job.config import Config
from recommender_job.ratings.extract import EXPERIENCES, SNAPSHOT, USERS
from recommender_job.runs import Run
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database
from recommender_job.storage.paths import sql_folder
from recommender_job.tables import SOURCE_EXPERIENCES, SOURCE_RATINGS, SOURCE_USERS
from tests.ratings.conftest import Import, Night, Snapshot

FIRST, SECOND, THIRD = (Run.at(datetime(2023, month, 15, tzinfo=UTC)) for month in (1, 2, 3))
MONTHS = ["1,A,5,2023-01-01 10:00", "1,B,4,2023-02-01 10:00", "2,A,3,2023-03-01 10:00"]
IN_JANUARY, IN_FEBRUARY, IN_MARCH = (1, 1, 5, "01-01 15:00"), (1, 2, 4, "02-01 15:00"), (2, 1, 3, "03-01 15:00")
Age = Callable[[str], None]


def figures(summary: dict[str, Any]) -> tuple[int, int, str | None]:
    return summary["extracted"], summary["snapshot"], summary["base_run_id"]


def columns(schema: pa.Schema) -> list[tuple[str, pa.DataType]]:
    return [(field.name, field.type) for field in schema]


def test_the_first_night_reads_everything(
    config: Config, import_lines: Import, night: Night, snapshot: Snapshot
) -> None:
    import_lines(MONTHS)
    assert night(THIRD) == {
        "cutoff": "2023-03-15T00:00:00+00:00",
        "extracted": 3,
        "deleted": 0,
        "snapshot": 3,
        "source_rows": 3,
        "full_read": True,
        "users": 2,
        "experiences": 2,
        "base_run_id": None,
    }
    assert snapshot(THIRD) == {IN_JANUARY, IN_FEBRUARY, IN_MARCH}
    folder = RunFolder(config.runs, THIRD.folder)
    assert columns(folder.read_table(SNAPSHOT).schema) == columns(SOURCE_RATINGS)
    assert columns(folder.read_table(EXPERIENCES).schema) == columns(SOURCE_EXPERIENCES)
    assert folder.read_table(EXPERIENCES)["name"].to_pylist() == ["A", "B"]
    assert columns(folder.read_table(USERS).schema) == columns(SOURCE_USERS)
    assert sorted(folder.read_table(USERS)["user_id"].to_pylist()) == [1, 2]


@pytest.mark.parametrize("written", ["long ago", "just now"])
def test_the_second_night_extracts_only_what_is_new(
    import_lines: Import, night: Night, age: Age, snapshot: Snapshot, written: str
) -> None:
    old = [f"{user},{item},{1 + (user + item) % 5},2023-01-01 10:00" for user in range(30) for item in range(10)]
    new = [f"{user},{item},{1 + (user * item) % 5},2023-01-01 10:01" for user in range(40) for item in range(5)]
    import_lines(old)
    if written == "long ago":  # otherwise the look-back reads all of them again
        age("1 day")
    assert figures(night(FIRST)) == (300, 300, None)
    import_lines([*old, *new])
    assert figures(night(SECOND)) == (200, 500, FIRST.run_id)
    assert len(snapshot(SECOND)) == 500


def test_the_second_night_asks_for_what_was_written_or_rated_since_the_first(
    database: Database,
    make_config: Callable[..., Config],
    import_lines: Import,
    night: Night,
    source_query: Callable[[str, str], Path],
) -> None:
    import_lines(MONTHS)
    night(FIRST)
    with database.transaction() as transaction:
        first = transaction.row("select read_through from recommender.extraction")
    # A query that returns its own bounds, as if they were one rating more.
    query = (sql_folder() / "source" / "ratings.sql").read_text("utf-8")
    query += """
        union all select 9 as user_id, 9 as experience_id, 5 as rating, %(rated_since)s::timestamptz as rated_at,
            %(updated_since)s::timestamptz as updated_at
        where %(rated_until)s = '2023-02-15 00:00+00'::timestamptz
    """
    config = make_config({"lookback_minutes": 7, "source_queries": source_query("ratings", query)})
    assert figures(night(SECOND, config)) == (2, 3, FIRST.run_id)
    asked = RunFolder(config.runs, SECOND.folder).read_frame(SNAPSHOT).query("user_id == 9").iloc[0]
    assert asked["rated_at"] == FIRST.cutoff
    assert asked["updated_at"] == first["read_through"] - timedelta(minutes=7)


def test_as_of_the_past_sees_only_what_was_rated_before_and_the_next_picks_up_the_rest(
    import_lines: Import, night: Night, age: Age, snapshot: Snapshot
) -> None:
    import_lines(MONTHS)
    age("1 day")  # so that only the time of the rating tells what is new
    assert figures(night(FIRST)) == (1, 1, None)
    assert snapshot(FIRST) == {IN_JANUARY}
    assert figures(night(SECOND)) == (1, 2, FIRST.run_id)
    assert snapshot(SECOND) == {IN_JANUARY, IN_FEBRUARY}
    assert figures(night(THIRD)) == (1, 3, SECOND.run_id)
    assert snapshot(THIRD) == {IN_JANUARY, IN_FEBRUARY, IN_MARCH}


def test_going_back_in_time_never_builds_upon_a_later_run(
    import_lines: Import, night: Night, snapshot: Snapshot
) -> None:
    import_lines(MONTHS)
    night(THIRD)
    assert figures(night(FIRST)) == (1, 1, None)
    assert snapshot(FIRST) == {IN_JANUARY}


def test_the_cutoff_itself_belongs_to_the_next_night(
    import_lines: Import, night: Night, age: Age, snapshot: Snapshot
) -> None:
    import_lines(["1,A,5,2023-01-14T23:59:59Z", "2,A,4,2023-01-15T00:00:00Z"])
    age("1 day")
    night(FIRST)
    assert {row[0] for row in snapshot(FIRST)} == {1}
    assert figures(night(SECOND)) == (1, 2, FIRST.run_id)
    assert {row[0] for row in snapshot(SECOND)} == {1, 2}


def test_a_correction_replaces_the_row(import_lines: Import, night: Night, age: Age, snapshot: Snapshot) -> None:
    import_lines(MONTHS[:2])
    age("1 day")
    night(SECOND)
    import_lines(["1,A,2,2023-01-01 10:00", MONTHS[1]])
    assert figures(night(THIRD)) == (1, 2, SECOND.run_id)
    assert snapshot(THIRD) == {(1, 1, 2, "01-01 15:00"), IN_FEBRUARY}


def test_of_two_events_within_a_minute_the_one_further_down_counts(
    import_lines: Import, night: Night, snapshot: Snapshot
) -> None:
    import_lines(["1,A,5,2023-01-01 10:00", "1,a,1,2023-01-01 10:00"])
    assert figures(night(FIRST)) == (2, 1, None)
    assert snapshot(FIRST) == {(1, 1, 1, "01-01 15:00")}


@pytest.mark.parametrize(("minutes", "extracted"), [(10, 1), (4, 0)])
def test_the_look_back_finds_what_committed_late(
    make_config: Callable[..., Config],
    import_lines: Import,
    night: Night,
    age: Age,
    minutes: float,
    extracted: int,
) -> None:
    config = make_config({"lookback_minutes": minutes})
    import_lines(MONTHS[:1])
    age("1 day")
    night(FIRST, config)
    import_lines(["9,A,4,2023-01-02 10:00"])
    age("5 minutes")  # as if it had been written before the first night read, and committed after
    assert night(SECOND, config)["extracted"] == extracted


def test_a_rerun_gives_the_same_snapshot(config: Config, import_lines: Import, night: Night) -> None:
    import_lines(MONTHS)
    night(FIRST)
    first = night(SECOND)
    folder = RunFolder(config.runs, SECOND.folder)
    before = folder.read_table(SNAPSHOT)
    assert night(SECOND) == first
    assert folder.read_table(SNAPSHOT).equals(before)
    # Also when a later night has built upon it.
    night(THIRD)
    assert night(SECOND) == first
    assert folder.read_table(SNAPSHOT).equals(before)


def test_an_empty_source_gives_an_empty_snapshot(night: Night, snapshot: Snapshot) -> None:
    assert figures(night(FIRST)) == (0, 0, None)
    assert snapshot(FIRST) == set()
