"""The commands `quarantine`: what scripts and people get, and that nothing is deleted unasked."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recommender_job.storage.database import Database, plain_url

Call = Callable[..., Any]
LINES = [
    "1,A,5,2023-01-01 10:00",
    "2,A,9,2023-01-01 10:00",
    "3,A,8,31/12/2022 10:00",
    f"x,{'B' * 300},5,2023-01-01 10:00",
]
SCALE, DATE = "is outside the scale 1 to 5", "is not a date like ISO8601 in America/Bogota"


@pytest.fixture
def refused(
    call: Call, database: Database, monkeypatch: pytest.MonkeyPatch, write_csv: Callable[..., Path]
) -> Database:
    """A database with a file of which three lines were refused."""
    monkeypatch.setenv("RECOMMENDER_DATABASE_URL", plain_url(database.url))
    monkeypatch.setenv("COLUMNS", "200")
    assert call("import-ratings", write_csv(LINES), "--json").json["rejected"] == 3
    return database


def ids(call: Call) -> list[int]:
    return [row["quarantine_id"] for row in call("quarantine", "list", "--rows", "--json").json["rows"]]


def test_list(call: Call, refused: Database) -> None:
    found = call("quarantine", "list", "--json").json["reasons"]
    assert [(row["origin"], row["column_name"], row["reason"], row["count"]) for row in found] == [
        ("import ratings.csv", "rated_at", DATE, 1),
        ("import ratings.csv", "rating", SCALE, 1),
        ("import ratings.csv", "user", "is not a whole number of 64 bits", 1),
    ]
    told = call("quarantine", "list", "--reason", "scale", "--origin", "import ratings.csv")
    assert (told.code, told.err) == (0, "")
    assert SCALE in told.out
    assert DATE not in told.out
    assert len(call("quarantine", "list", "--limit", 1, "--json").json["reasons"]) == 1
    rows = call("quarantine", "list", "--rows", "--json").json["rows"]
    assert [row["line"] for row in rows] == [3, 4, 5]
    assert rows[2]["content"] == LINES[3]
    assert rows[0]["user_text"] == "2"
    people = call("quarantine", "list", "--rows").out
    assert LINES[1] in people
    assert 100 < people.count("B") <= 200


def test_replay(call: Call, refused: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMMENDER_RATING_MAX", "10")
    told = call("quarantine", "replay")
    assert (told.code, told.err) == (0, "")
    assert told.out == "import ratings.csv: 1 of 3 lines imported, 0 were there already, 2 are still refused\n"
    told = call("quarantine", "replay", "--origin", "import ratings.csv", "--date-format", "%d/%m/%Y %H:%M", "--json")
    assert told.json["files"][0]["imported"] == 1
    assert call("quarantine", "replay", "--origin", "nothing").out == "nothing in the quarantine\n"
    wrong = call("quarantine", "replay", "--timezone", "Mars/Olympus", "--json")
    assert (wrong.code, wrong.json["error"]["type"]) == (1, "BadFile")


def test_replay_of_a_file_of_an_earlier_version(call: Call, refused: Database) -> None:
    with refused.transaction() as transaction:
        transaction.run("delete from recommender.imported_file")
    assert "import the file again" in call("quarantine", "replay").out
    told = call("quarantine", "replay", "--origin", "import ratings.csv")
    assert told.code == 1
    assert "Next: Import it again: recommender-job import-ratings ratings.csv." in told.line


@pytest.mark.parametrize("arguments", [[], ["--yes"], ["--all", "--id", "1"], ["--older-than", "-1"], ["--id", "one"]])
def test_drop_without_saying_what_is_a_wrong_call(call: Call, refused: Database, arguments: list[str]) -> None:
    told = call("quarantine", "drop", *arguments)
    assert (told.code, told.out) == (2, "")
    assert len(ids(call)) == 3


def test_drop(call: Call, refused: Database) -> None:
    first, second, _ = ids(call)
    assert call("quarantine", "drop", "--older-than", 1, "--yes", "--json").json == {"dropped": 0}
    told = call("quarantine", "drop", "--id", first, "--id", second, "--yes")
    assert (told.code, told.out, told.err) == (0, "2 rows deleted\n", "")
    assert call("quarantine", "drop", "--origin", "import ratings.csv", "--yes", "--json").json == {"dropped": 1}
    assert ids(call) == []


@pytest.mark.parametrize(("answer", "left"), [("y\n", 0), ("n\n", 3)])
def test_drop_asks(call: Call, refused: Database, monkeypatch: pytest.MonkeyPatch, answer: str, left: int) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    told = call("quarantine", "drop", "--all", "--json")
    assert told.json == {"dropped": 3 - left}
    assert "Delete 3 refused rows for good?" in told.err
    assert len(ids(call)) == left


def test_drop_without_an_answer_deletes_nothing(call: Call, refused: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert call("quarantine", "drop", "--all").code == 1
    assert len(ids(call)) == 3
