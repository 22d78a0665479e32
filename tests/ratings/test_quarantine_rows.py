"""Listing and dropping refused rows, and judging those of nights once more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from recommender_job.config import Config
from recommender_job.errors import BadFile
from recommender_job.ratings.clean import clean
from recommender_job.ratings.quarantine import count, drop, reasons, refused_rows
from recommender_job.ratings.replay import replay
from recommender_job.runs import Run
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database
from tests.ratings.cleaned import write_snapshot
from tests.ratings.conftest import NOW, Import
from tests.ratings.worlds import source_ratings

FIRST, SECOND = (Run(name, datetime(2023, 2, day, tzinfo=UTC)) for day, name in ((1, "first"), (2, "second")))
GOOD = [(1, 1, 5, 0, 0)]
#: Users 1 and 2 and experience 1 are known at first.
BAD = [
    (2, 1, 9, 1, 0),
    (2, 1, 9.5, 2, 0),
    (3, 1, 5, 3, 0),
    (1, 2, 5, 4, 0),
    (1, 1, None, 5, 0),
    (1, 1, float("inf"), 6, 0),
]


@pytest.fixture
def refused(config: Config, database: Database) -> Database:
    """A database in which two nights refused six rows each and a file two lines."""
    for run in (FIRST, SECOND):
        folder = RunFolder(config.runs, run.folder)
        write_snapshot(folder, source_ratings(*GOOD, *BAD), users=[1, 2], experiences=[1])
        clean(config, run, folder, database)
    return database


@pytest.fixture
def refused_with_file(refused: Database, import_lines: Import) -> Database:
    """The same, and a file of which two lines were refused."""
    import_lines(["1,E,5,2023-01-01 10:00", "2,E,9,2023-01-01 10:00", "x,E,5,2023-01-01 10:00"])
    return refused


def summary(database: Database, **chosen: Any) -> list[tuple[Any, ...]]:
    return [(row["origin"], row["column_name"], row["reason"], row["count"]) for row in reasons(database, **chosen)]


def test_the_reasons_come_with_their_numbers_the_latest_first(refused_with_file: Database) -> None:
    scale = "is outside the scale 1 to 5"
    found = summary(refused_with_file)
    assert found[:3] == [
        ("import ratings.csv", "rating", scale, 1),
        ("import ratings.csv", "user", "is not a whole number of 64 bits", 1),
        ("second", "rating", scale, 3),
    ]
    assert len(found) == 2 + 2 * 4
    assert summary(refused_with_file, origin="first", reason="SCALE") == [("first", "rating", scale, 3)]
    assert summary(refused_with_file, reason="experience_id IS not") == [
        ("second", "experience_id", "is not in experiences", 1),
        ("first", "experience_id", "is not in experiences", 1),
    ]
    assert summary(refused_with_file, limit=2) == found[:2]
    assert summary(refused_with_file, origin="fir") == []


def test_the_rows_come_as_they_were_kept(refused_with_file: Database) -> None:
    rows = refused_rows(refused_with_file, origin="import ratings.csv")
    assert [(row["line"], row["content"], row["user_text"]) for row in rows] == [
        (3, "2,E,9,2023-01-01 10:00", "2"),
        (4, "x,E,5,2023-01-01 10:00", "x"),
    ]
    assert len(refused_rows(refused_with_file)) == 14
    assert len(refused_rows(refused_with_file, reason="is not in", limit=3)) == 3


def test_what_is_dropped_is_what_was_chosen(refused_with_file: Database) -> None:
    database = refused_with_file
    ids = [row["quarantine_id"] for row in refused_rows(database, origin="first")][:2]
    with database.transaction() as transaction:
        transaction.run(
            "update recommender.quarantine set refused_at = now() - interval '2 days' where origin = 'first'"
        )
    assert count(database) == 14
    assert count(database, older_than=1.9) == 6
    assert count(database, older_than=2.1) == 0
    assert count(database, origin="second", older_than=1) == 0
    assert (count(database, ids=ids), drop(database, ids=ids)) == (2, 2)
    assert drop(database, origin="first", ids=[row["quarantine_id"] for row in refused_rows(database)]) == 4
    assert drop(database, older_than=1) == 0
    assert count(database) == 8
    assert drop(database) == 8
    assert count(database) == 0


def more_is_known(database: Database) -> None:
    """User 3 and experience 2 have come."""
    with database.transaction() as transaction:
        transaction.run("insert into website.users (user_id) values (1), (2), (3) on conflict do nothing")
        for name in ("e", "f"):
            transaction.run("insert into website.experiences (name, name_key) values (:name, :name)", name=name)


def test_rows_of_nights_that_the_next_night_takes_leave(
    refused: Database, make_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    more_is_known(refused)
    monkeypatch.setattr("recommender_job.ratings.replay.PART_ROWS", 5)
    told = replay(make_config({"rating_max": 9}), refused, now=NOW)
    assert told == {"files": [], "nights": {"judged": 12, "accepted": 6, "refused": 6}, "unknown": []}
    left = sorted((row["origin"], row["reason"]) for row in refused_rows(refused))
    assert left == [
        (origin, reason)
        for origin in ("first", "second")
        for reason in ("is missing or not a number", *["is outside the scale 1 to 5"] * 2)
    ]


def test_one_night_alone(refused: Database, config: Config) -> None:
    more_is_known(refused)
    assert replay(config, refused, now=NOW, origin="second")["nights"] == {"judged": 6, "accepted": 2, "refused": 4}
    assert (count(refused, origin="first"), count(refused, origin="second")) == (6, 4)
    assert replay(config, refused, now=NOW, origin="third")["nights"]["judged"] == 0


def test_a_night_takes_only_what_is_rated_before_it(refused: Database, config: Config) -> None:
    more_is_known(refused)
    now = datetime(2023, 1, 1, 0, 4, tzinfo=UTC)  # the row of user 3 is from minute 3
    assert replay(config, refused, now=now, origin="first")["nights"]["accepted"] == 1


def test_files_and_nights_together(refused_with_file: Database, make_config: Callable[..., Config]) -> None:
    told = replay(make_config({"rating_max": 9}), refused_with_file, now=NOW)
    assert told["files"] == [
        {"origin": "import ratings.csv", "read": 2, "imported": 1, "known": 0, "refused": 1, "not_repeatable": 0}
    ]
    # The file brought experience 1, called E; users 1 and 2 are known, 3 is not.
    assert told["nights"] == {"judged": 12, "accepted": 2, "refused": 10}


def test_a_file_of_an_earlier_version_is_told_or_refused(refused_with_file: Database, config: Config) -> None:
    with refused_with_file.transaction() as transaction:
        transaction.run("delete from recommender.imported_file")
        transaction.run("update recommender.quarantine set content = 'no JSON' where origin = 'first'")
    told = replay(config, refused_with_file, now=NOW)
    assert (told["files"], told["unknown"]) == ([], ["import ratings.csv"])
    assert told["nights"]["judged"] == 12
    assert count(refused_with_file, origin="first") == 6
    with pytest.raises(BadFile, match="is not known"):
        replay(config, refused_with_file, now=NOW, origin="import ratings.csv")


def test_the_source_is_what_the_customers_queries_say(
    refused: Database, make_config: Callable[..., Config], source_query: Callable[[str, str], Path]
) -> None:
    more_is_known(refused)
    queries = source_query(
        "users", "select user_id, is_active from website.users where user_id < 3 order by user_id desc"
    )
    told = replay(make_config({"source_queries": queries}), refused, now=NOW, origin="first")
    assert told["nights"]["accepted"] == 1
