"""When everything is read: on demand, on a schedule, and when the source has lost what the snapshot holds."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recommender_job.config import Config
from recommender_job.errors import SourceBroken
from recommender_job.ratings.extract import SNAPSHOT
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database
from recommender_job.storage.paths import sql_folder
from tests.ratings.conftest import Import, Night, Snapshot, Sql
from tests.ratings.test_extract import FIRST, IN_FEBRUARY, IN_JANUARY, IN_MARCH, MONTHS, SECOND, THIRD, figures
from tests.ratings.worlds import dump

WATERMARKS = "recommender.extraction"
Make = Callable[..., Config]


@pytest.fixture
def without_deletions(make_config: Make, tmp_path: Path) -> Config:
    """The configuration of a customer who keeps no deletions."""
    queries = tmp_path / "without"
    shutil.copytree(sql_folder() / "source", queries)
    (queries / "deletions.sql").unlink()
    (queries / "ratings.sql").write_text(
        "select user_id, experience_id, rating, rated_at, updated_at from website.ratings where"
        " rated_at < %(rated_until)s and (updated_at >= %(updated_since)s or rated_at >= %(rated_since)s)"
    )
    return make_config({"source_queries": queries})


def lose_january_unseen(sql: Sql) -> None:
    """As a restored backup would: without a trace."""
    sql("alter table website.ratings disable trigger user")
    sql("delete from website.ratings where rated_at < '2023-02-01'")


def read_fully(night: dict[str, Any]) -> tuple[bool, str | None, int, int]:
    return night["full_read"], night["base_run_id"], night["extracted"], night["deleted"]


def test_on_demand(make_config: Make, import_lines: Import, night: Night, sql: Sql, snapshot: Snapshot) -> None:
    import_lines(MONTHS)
    night(SECOND)
    sql("alter table website.ratings disable trigger user")
    sql("update website.ratings set rating = 1 where user_id = 1 and experience_id = 1")  # and `updated_at` stays
    sql("update website.ratings set user_id = 2 where experience_id = 2")
    summary = night(THIRD, make_config({"full_read": True}))
    assert read_fully(summary) == (True, SECOND.run_id, 2, 1)  # the moved one and March's; where it was
    assert snapshot(THIRD) == {(1, 1, 1, "01-01 15:00"), (2, 2, 4, "02-01 15:00"), IN_MARCH}


@pytest.mark.parametrize(("age", "is_full"), [("6 days 23:59", False), ("7 days", True), (None, True)])
def test_on_a_schedule(import_lines: Import, night: Night, sql: Sql, age: str | None, is_full: bool) -> None:
    import_lines(MONTHS)
    night(FIRST)
    sql("update recommender.extraction set full_read_at = full_read_at - cast(:age as interval)", age=age)
    assert read_fully(night(SECOND)) == (is_full, FIRST.run_id, 1, 0)


def test_with_no_days_between_every_night_reads_everything(
    make_config: Make, import_lines: Import, night: Night
) -> None:
    import_lines(MONTHS)
    always = make_config({"full_read_days": 0})
    assert [night(run, always)["full_read"] for run in (FIRST, SECOND, THIRD)] == [True, True, True]


def test_the_moment_of_the_last_full_read_is_carried_along(
    database: Database, make_config: Make, import_lines: Import, night: Night
) -> None:
    import_lines(MONTHS)
    night(FIRST)
    night(SECOND)
    night(THIRD, make_config({"full_read": True}))
    first, second, third = dump(database, WATERMARKS)[WATERMARKS]
    assert first["full_read_at"] == first["read_through"] == second["full_read_at"] < second["read_through"]
    assert third["full_read_at"] == third["read_through"]
    assert [row["base_run_id"] for row in (first, second, third)] == [None, FIRST.run_id, SECOND.run_id]


def test_a_source_that_lost_ratings_without_a_trace_is_read_again_by_itself(
    database: Database, import_lines: Import, night: Night, sql: Sql, snapshot: Snapshot
) -> None:
    import_lines([MONTHS[0], MONTHS[2]])
    night(SECOND)
    lose_january_unseen(sql)
    import_lines(MONTHS[2:])
    summary = night(THIRD)
    assert read_fully(summary) == (True, SECOND.run_id, 1, 1)
    assert (summary["snapshot"], summary["source_rows"]) == (1, 1)
    assert snapshot(THIRD) == {IN_MARCH}
    last = dump(database, WATERMARKS)[WATERMARKS][-1]
    assert last["full_read_at"] == last["read_through"]


def test_an_emptied_source_leaves_nothing(import_lines: Import, night: Night, sql: Sql, snapshot: Snapshot) -> None:
    import_lines(MONTHS)
    night(SECOND)
    sql("truncate website.ratings")
    assert read_fully(night(THIRD)) == (True, SECOND.run_id, 0, 2)
    assert snapshot(THIRD) == set()


def test_without_deletions_a_deletion_makes_the_night_read_everything(
    without_deletions: Config, import_lines: Import, night: Night, sql: Sql, snapshot: Snapshot
) -> None:
    import_lines(MONTHS)
    assert figures(night(FIRST, without_deletions)) == (1, 1, None)
    assert read_fully(night(SECOND, without_deletions)) == (False, FIRST.run_id, 1, 0)
    sql("delete from website.ratings where rated_at < '2023-02-01'")
    assert read_fully(night(THIRD, without_deletions)) == (True, SECOND.run_id, 1, 1)
    assert snapshot(THIRD) == {IN_FEBRUARY, IN_MARCH}


def test_events_of_one_moment_hide_that_something_vanished_until_everything_is_read(
    make_config: Make, import_lines: Import, night: Night, sql: Sql, snapshot: Snapshot
) -> None:
    """The source is allowed more rows than the snapshot: only `full_read_days` finds this."""
    import_lines([*MONTHS[:2], MONTHS[1]])
    night(SECOND)
    lose_january_unseen(sql)
    assert not night(THIRD)["full_read"]
    assert snapshot(THIRD) == {IN_JANUARY, IN_FEBRUARY}
    night(THIRD, make_config({"full_read": True}))
    assert snapshot(THIRD) == {IN_FEBRUARY}


@pytest.mark.parametrize("broken", ["ratings", "users", "deletions"])
def test_a_read_that_fails_keeps_the_watermark_and_the_snapshot_of_an_earlier_attempt(
    database: Database,
    make_config: Make,
    config: Config,
    import_lines: Import,
    night: Night,
    source_query: Callable[[str, str], Path],
    broken: str,
) -> None:
    import_lines(MONTHS)
    night(FIRST)
    night(THIRD)
    before = dump(database, WATERMARKS)
    folder = RunFolder(config.runs, THIRD.folder)
    table = folder.read_table(SNAPSHOT)
    with pytest.raises(SourceBroken, match=broken):
        night(THIRD, make_config({"source_queries": source_query(broken, "select 1")}))
    assert dump(database, WATERMARKS) == before
    assert folder.read_table(SNAPSHOT).equals(table)
