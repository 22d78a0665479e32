"""What is remembered of erased users, and taking it back."""

from __future__ import annotations

from recommender_job.erasing.receipts import begin, end, erasures, lift
from recommender_job.storage.database import Database


def states(database: Database) -> list[tuple[int, int, str]]:
    return [(row["user_id"], row["attempts"], row["state"]) for row in erasures(database)]


def test_an_attempt_that_has_not_ended_shows(database: Database) -> None:
    assert erasures(database) == []
    first = begin(database, 42)
    assert first["attempt"] == 1
    assert first["erased_at"] == first["begun_at"]
    assert states(database) == [(42, 1, "cut short")]
    end(database, 42, {"attempt": 1, "complete": False, "quarantine": 3})
    assert states(database) == [(42, 1, "incomplete")]
    second = begin(database, 42)
    assert (second["attempt"], second["erased_at"]) == (2, first["erased_at"])
    assert second["begun_at"] > first["begun_at"]
    assert states(database) == [(42, 2, "cut short")]
    end(database, 42, {"attempt": 2, "complete": True, "quarantine": 0})
    assert states(database) == [(42, 2, "complete")]
    assert [receipt["quarantine"] for receipt in erasures(database)[0]["receipts"]] == [3, 0]


def test_the_latest_stands_first(database: Database) -> None:
    for user_id in (7, 5, 9):
        begin(database, user_id)
    begin(database, 7)  # again: since when somebody is erased stays
    assert [row["user_id"] for row in erasures(database)] == [9, 5, 7]


def test_lifting_lets_the_next_night_read_everything(database: Database) -> None:
    begin(database, 42)
    begin(database, 43)
    with database.transaction() as transaction:
        transaction.run(
            "insert into recommender.extraction (run_id, cutoff, read_through, snapshot_url, extracted, snapshot)"
            " values ('night', '2023-01-01', '2023-01-01', 'x', 1, 1)"
        )
    assert lift(database, 99) == {"user_id": 99, "lifted": False}
    with database.transaction() as transaction:
        assert transaction.count("recommender.extraction") == 1
    assert lift(database, 42) == {"user_id": 42, "lifted": True}
    with database.transaction() as transaction:
        assert transaction.count("recommender.extraction") == 0
    assert [row["user_id"] for row in erasures(database)] == [43]
    assert lift(database, 42) == {"user_id": 42, "lifted": False}


def test_an_attempt_that_ends_after_the_lift_remembers_nobody(database: Database) -> None:
    begin(database, 42)
    lift(database, 42)
    end(database, 42, {"attempt": 1, "complete": True})
    assert erasures(database) == []
