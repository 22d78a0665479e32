"""What an import keeps beside the ratings: the user of a refused line, and how the file was read."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from recommender_job.errors import BadFile
from recommender_job.ratings import reader
from recommender_job.ratings.quarantine import refused_rows
from recommender_job.storage.database import Database
from tests.ratings.conftest import Import
from tests.ratings.worlds import dump

HEADER = b"experience,user,rating,rated_at\n"
GOOD = b"A,1,5,2023-01-01\n"


def readings(database: Database) -> dict[str, dict[str, Any]]:
    return {row["origin"]: row for row in dump(database, "recommender.imported_file")["recommender.imported_file"]}


@pytest.mark.parametrize(
    ("line", "user"),
    [
        (b"A, 42 ,9,2023-01-01", "42"),
        (b"A,x y,5,2023-01-01", "x y"),
        (b"A,,5,2023-01-01", ""),
        (b"A,42,many,2023-01-01", "42"),
        (b"A,42,5,never", "42"),
        (b"A,42,5,2024-01-01", "42"),
        (b"A,42", "42"),  # too few fields, but this one is there
        (b"A", None),
        (b"Caf\xe9,42,5,2023-01-01", "42"),
        (b"A,4\xe92,5,2023-01-01", "4?2"),
        (b"A,4\x002,5,2023-01-01", "4\ufffd2"),
        (b'A,"42,5",9,2023-01-01', "42,5"),
        (b"x" * 140_000 + b",42,5,2023-01-01", None),  # cannot be split
        (b"A," + b"7" * 5000 + b",5,2023-01-01", "7" * 100),  # an index cannot hold more
        (b"A," + b"7" * 5000, "7" * 100),
    ],
)
def test_a_refused_line_is_kept_with_its_user(
    database: Database, import_bytes: Import, line: bytes, user: str | None
) -> None:
    import_bytes(HEADER + GOOD + GOOD + line + b"\n")
    [row] = refused_rows(database)
    assert row["user_text"] == user


def test_a_name_that_an_index_cannot_hold_is_refused(database: Database, import_lines: Import) -> None:
    names = ["é" * 500, "é" * 501, "".join(chr(0x4E00 + place) for place in range(4000)), "ß" * 300]
    found = import_lines([f"{user},{name},5,2023-01-01" for user, name in enumerate(names)])
    assert (found["imported"], found["rejected"]) == (1, 3)
    assert {(row["column_name"], row["reason"]) for row in refused_rows(database)} == {
        ("experience", "is longer than 500 characters")
    }


def test_how_a_file_was_read_is_kept(database: Database, import_file: Import, write_csv: Callable[..., Path]) -> None:
    file = write_csv(["7;A;5;1/31/2023 10:00", "8;B;9;1/31/2023 10:00"], header="who;what;stars;when")
    names = {"user": "who", "experience": "what", "rating": "stars", "rated_at": "when"}
    import_file(file, **names, delimiter=";", timezone="Asia/Tokyo", encoding="latin-1")
    [row] = readings(database).values()
    assert (row["origin"], row["header"]) == ("import ratings.csv", "who;what;stars;when")
    [[moment, last_line]] = row["reading"].pop("merges")
    assert row["reading"] == {
        **names,
        "date_format": "%m/%d/%Y %H:%M",
        "timezone": "Asia/Tokyo",
        "delimiter": ";",
        "encoding": "latin-1",
    }
    assert last_line == 2  # the last that was imported
    [event] = dump(database, "website.ratings")["website.ratings"]
    assert datetime.fromisoformat(moment) == event["updated_at"]
    json.dumps(row["reading"])


def test_loading_a_file_of_the_same_name_replaces_how_it_was_read(
    database: Database, import_file: Import, write_csv: Callable[..., Path]
) -> None:
    import_file(write_csv(["1,A,5,2023-01-01"], name="one.csv"))
    import_file(write_csv(["1,A,5,2023-01-01"], name="two.csv"))
    for _ in range(12):
        import_file(write_csv(["5;A;2023-01-01;1"], header="rating;item;date;user", name="one.csv"), delimiter=";")
    found = readings(database)
    assert sorted(found) == ["import one.csv", "import two.csv"]
    assert found["import one.csv"]["header"] == "rating;item;date;user"
    assert found["import one.csv"]["reading"]["delimiter"] == ";"
    assert len(found["import one.csv"]["reading"]["merges"]) == 10
    assert found["import two.csv"]["header"] == "user,experience,rating,rated_at"


def test_a_file_that_is_refused_as_a_whole_leaves_what_was_known(database: Database, import_lines: Import) -> None:
    import_lines(["1,A,5,2023-01-01", "2,A,9,2023-01-01"])
    before = dump(database, "recommender.imported_file", "recommender.quarantine")
    with pytest.raises(BadFile):
        import_lines(["1,A,9,2023-01-01"])
    assert dump(database, "recommender.imported_file", "recommender.quarantine") == before


def test_the_format_may_show_only_in_a_later_part(
    database: Database, import_lines: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "BATCH_LINES", 1)
    import_lines(["1,A", "2,A,5,1/31/2023 10:00", "3,A,5,1/31/2023 10:00"])
    assert readings(database)["import ratings.csv"]["reading"]["date_format"] == "%m/%d/%Y %H:%M"


def test_a_file_name_that_is_no_text(database: Database, import_file: Import, tmp_path: Path) -> None:
    file = tmp_path / b"caf\xe9.csv".decode("utf-8", "surrogateescape")
    file.write_bytes(HEADER + GOOD + b"A,2,9,2023-01-01\n")
    import_file(file)
    assert [row["origin"] for row in refused_rows(database)] == ["import caf?.csv"]
    assert list(readings(database)) == ["import caf?.csv"]
