"""What is gone from the source leaves the snapshot the next night, and what comes back is back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from recommender_job.config import Config
from recommender_job.ratings.extract import OPT_OUTS, USERS
from recommender_job.runs import Run
from recommender_job.storage.artifacts import RunFolder
from tests.ratings.conftest import Import, Night, Snapshot, Sql
from tests.ratings.test_extract import FIRST, SECOND, THIRD, Age

ONE, TWO, OTHER = ["1,A,5,2023-01-01 10:00"], ["2,A,4,2023-01-02 10:00"], ["3,B,3,2023-01-03 10:00"]
IN_ONE, IN_TWO, IN_OTHER = (1, 1, 5, "01-01 15:00"), (2, 1, 4, "01-02 15:00"), (3, 2, 3, "01-03 15:00")


@pytest.fixture
def before(import_lines: Import, night: Night, age: Age) -> None:
    """A night that has seen three ratings, long after they were written."""
    import_lines([*ONE, *TWO, *OTHER])
    age("1 day")
    night(FIRST)


@pytest.fixture
def sharp(make_config: Callable[..., Config]) -> Config:
    """Nothing is read twice: a night sees what was written after the one before, and nothing else."""
    return make_config({"lookback_minutes": 0})


def changes(summary: dict[str, Any]) -> tuple[bool, int, int]:
    return summary["full_read"], summary["extracted"], summary["deleted"]


@pytest.mark.usefixtures("before")
def test_a_deleted_rating_goes(night: Night, sql: Sql, snapshot: Snapshot, sharp: Config) -> None:
    sql("delete from website.ratings where user_id = 1")
    assert changes(night(SECOND, sharp)) == (False, 0, 1)
    assert snapshot(SECOND) == {IN_TWO, IN_OTHER}
    assert changes(night(THIRD, sharp)) == (False, 0, 0)
    assert snapshot(THIRD) == {IN_TWO, IN_OTHER}


@pytest.mark.usefixtures("before")
def test_a_rating_that_is_deleted_and_given_again_is_back(
    import_lines: Import, night: Night, sql: Sql, snapshot: Snapshot, sharp: Config
) -> None:
    sql("delete from website.ratings where user_id = 1")
    import_lines(["1,A,2,2023-01-01 10:00"])  # within one night
    assert changes(night(SECOND, sharp)) == (False, 1, 0)
    assert snapshot(SECOND) == {(1, 1, 2, "01-01 15:00"), IN_TWO, IN_OTHER}
    sql("delete from website.ratings where user_id = 2")
    night(THIRD, sharp)
    import_lines(TWO)  # nights later
    last = Run.at(THIRD.cutoff.replace(month=4))
    assert changes(night(last, sharp)) == (False, 1, 0)
    assert snapshot(last) == {(1, 1, 2, "01-01 15:00"), IN_TWO, IN_OTHER}


@pytest.mark.usefixtures("before")
@pytest.mark.parametrize(
    ("change", "moved"),
    [
        ("rated_at = '2023-01-09 15:00+00'", (1, 1, 5, "01-09 15:00")),
        ("experience_id = 2", (1, 2, 5, "01-01 15:00")),
        ("user_id = 3", (3, 1, 5, "01-01 15:00")),
    ],
)
def test_a_rating_that_moves_is_no_longer_where_it_was(
    night: Night, sql: Sql, snapshot: Snapshot, sharp: Config, change: str, moved: tuple[Any, ...]
) -> None:
    sql(f"update website.ratings set {change}, updated_at = now() where user_id = 1")
    assert changes(night(SECOND, sharp)) == (False, 1, 1)
    assert snapshot(SECOND) == {moved, IN_TWO, IN_OTHER}


@pytest.mark.parametrize(("deleted", "left"), [(1, 2), (2, 5)])
def test_of_two_events_of_one_moment_one_is_deleted(
    import_lines: Import,
    night: Night,
    age: Age,
    sql: Sql,
    snapshot: Snapshot,
    sharp: Config,
    deleted: int,
    left: float,
) -> None:
    import_lines(["1,A,5,2023-01-01 10:00", "1,A,2,2023-01-01 10:00", *TWO])
    age("1 day")
    night(FIRST)
    sql("delete from website.ratings where user_id = 1 and occurrence = :deleted", deleted=deleted)
    summary = night(SECOND, sharp)
    assert (summary["full_read"], summary["deleted"], summary["source_rows"]) == (False, 0, 2)
    assert snapshot(SECOND) == {(1, 1, left, "01-01 15:00"), IN_TWO}


@pytest.mark.usefixtures("before")
def test_a_rating_written_today_for_a_day_long_past_is_found(
    import_lines: Import, night: Night, snapshot: Snapshot, sharp: Config
) -> None:
    import_lines(["3,A,1,2022-05-01 10:00"])
    assert changes(night(SECOND, sharp)) == (False, 1, 0)
    assert snapshot(SECOND) == {IN_ONE, IN_TWO, IN_OTHER, (3, 1, 1, "05-01 15:00")}


@pytest.mark.usefixtures("before")
@pytest.mark.parametrize("rating", [1, 5])
def test_a_correction_counts_whether_it_raises_or_lowers(
    night: Night, sql: Sql, snapshot: Snapshot, sharp: Config, rating: float
) -> None:
    sql("update website.ratings set rating = :rating, updated_at = now() where user_id = 2", rating=rating)
    assert changes(night(SECOND, sharp)) == (False, 1, 0)
    assert snapshot(SECOND) == {IN_ONE, (2, 1, rating, "01-02 15:00"), IN_OTHER}


@pytest.mark.usefixtures("before")
def test_deletions_are_looked_for_as_far_back_as_ratings(
    make_config: Callable[..., Config], night: Night, sql: Sql, snapshot: Snapshot
) -> None:
    sql("delete from website.ratings where user_id = 1")
    sql("update website.deleted_ratings set deleted_at = deleted_at - interval '5 minutes'")  # committed late
    assert changes(night(SECOND, make_config({"lookback_minutes": 10}))) == (False, 0, 1)
    assert snapshot(SECOND) == {IN_TWO, IN_OTHER}


@pytest.mark.usefixtures("before")
@pytest.mark.parametrize("full", [False, True])
def test_an_erased_user_is_not_brought_back(
    make_config: Callable[..., Config], night: Night, sql: Sql, import_lines: Import, snapshot: Snapshot, full: bool
) -> None:
    sql("insert into website.do_not_recommend values (1, 2, null), (2, 2, null)")
    sql("insert into recommender.erasure (user_id, receipt) values (1, '{}'), (99, '{}')")
    import_lines(["1,B,3,2023-01-05 10:00"])
    config = make_config({"full_read": full})
    assert changes(night(SECOND, config)) == (full, 0, 1)
    assert snapshot(SECOND) == {IN_TWO, IN_OTHER}
    folder = RunFolder(config.runs, SECOND.folder)
    assert sorted(folder.read_table(USERS)["user_id"].to_pylist()) == [2, 3]
    assert folder.read_table(OPT_OUTS)["user_id"].to_pylist() == [2]


def test_the_shipped_query_returns_no_row_twice(
    import_lines: Import, night: Night, age: Age, sql: Sql, make_config: Callable[..., Config]
) -> None:
    import_lines(["1,A,5,2023-01-01 10:00", "1,A,2,2023-01-01 10:00", *TWO])
    sql("delete from website.ratings where occurrence = 2")
    assert night(FIRST, make_config({"full_read": True}))["source_rows"] == 2
    assert night(SECOND)["source_rows"] == 2
