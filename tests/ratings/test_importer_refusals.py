"""Importing files with bad lines: each is refused alone, counted and kept; a file that is no file is an error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recommender_job.errors import BadFile
from recommender_job.storage.database import Database
from tests.ratings.conftest import Import
from tests.ratings.worlds import dump

HEADER = b"user,experience,rating,rated_at\n"
FIRST, LAST = b"1,A,5,2023-01-01\n", b"3,C,3,2023-01-03\n"
WHOLE = "is not a whole number of 64 bits"
SCALE = "is outside the scale 1 to 5"
NUMBER = "is not a finite number"
Quarantined = Callable[[], list[dict[str, Any]]]


def users(database: Database) -> list[int]:
    return sorted(row["user_id"] for row in dump(database, "website.ratings")["website.ratings"])


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        (b"abc,B,5,2023-01-02", "user", WHOLE),
        (b"1.0,B,5,2023-01-02", "user", WHOLE),
        (b"9223372036854775808,B,5,2023-01-02", "user", WHOLE),
        (b"-9223372036854775809,B,5,2023-01-02", "user", WHOLE),
        (b"99999999999999999999999,B,5,2023-01-02", "user", WHOLE),
        (b"2,B,5.01,2023-01-02", "rating", SCALE),
        (b"2,B,0,2023-01-02", "rating", SCALE),
        (b"2,B,NaN,2023-01-02", "rating", NUMBER),
        (b"2,B,1e309,2023-01-02", "rating", NUMBER),
        (b"2,B,5,2023-06-01T00:01Z", "rated_at", "lies in the future of 2023-06-01 00:00 UTC"),
        (b"2,B,5,never", "rated_at", "is not a date like ISO8601 in America/Bogota"),
        (b"2,,5,2023-01-02", "experience", "is empty"),
        (b"2,B,5", "", "has 3 fields, the header 4"),
        (b"2,Caf\xe9,5,2023-01-02", "", "is not text in the file's encoding"),
        (b"2,Caf\xe9", "", "has 2 fields, the header 4"),
        (b"2,B\0C,5,2023-01-02", "experience", "holds a NUL character"),
        (b"2,B,5\0,2023-01-02", "rating", NUMBER),
    ],
)
def test_a_bad_line_is_refused_alone(
    database: Database,
    import_bytes: Import,
    quarantined: Quarantined,
    line: bytes,
    column: str,
    reason: str,
) -> None:
    found = import_bytes(HEADER + FIRST + line + b"\n" + LAST)
    assert (found["read"], found["imported"], found["rejected"]) == (3, 2, 1)
    assert users(database) == [1, 3]
    [refused] = quarantined()
    assert refused["origin"] == "import ratings.csv"
    assert (refused["line"], refused["column_name"], refused["reason"]) == (3, column, reason)


def test_an_unclosed_quote_costs_its_own_line_only(
    database: Database, import_bytes: Import, quarantined: Quarantined
) -> None:
    found = import_bytes(HEADER + FIRST + b'2,"B,5,2023-01-02\n' + LAST)
    assert (found["read"], found["imported"], found["rejected"]) == (3, 2, 1)
    assert users(database) == [1, 3]
    assert [refused["line"] for refused in quarantined()] == [3]


@pytest.mark.parametrize(
    "line",
    ["2, Bono  B ,9,2023-01-02 10:00", "2,B,5,2024-01-01 10:00", "x,B,5,2023-01-02 10:00", "2,B,many,2023-01-02"],
)
def test_a_refused_line_is_kept_as_it_was_written(import_lines: Import, quarantined: Quarantined, line: str) -> None:
    import_lines(["1,A,5,2023-01-01", line])
    assert [refused["content"] for refused in quarantined()] == [line]


def test_the_column_is_named_as_in_the_file(
    import_file: Import, write_csv: Callable[..., Path], quarantined: Quarantined
) -> None:
    header = "ID_CLIENTE,FECHA_INTERACCION,NOMBRE_CORTO_DE_EXPERIENCIA,CALIFICACION"
    dates = [f"{user},1/{user}/2021 9:47,A,{rating}" for user, rating in ((1, "many"), (2, "9"), (3, "5"))]
    import_file(write_csv(dates, header))
    assert [refused["column_name"] for refused in quarantined()] == ["CALIFICACION", "CALIFICACION"]


def test_the_ends_of_the_scale_and_of_64_bits_are_taken(database: Database, import_lines: Import) -> None:
    lines = ["9223372036854775807,A,4.3,2023-01-01", "-9223372036854775808,A,0.1,2023-01-01", "+7,A,1,2023-01-01"]
    assert import_lines(lines, scale=(0.1, 4.3))["rejected"] == 0
    assert users(database) == [-(2**63), 7, 2**63 - 1]


def test_a_rating_too_small_for_the_column_does_not_stop_the_others(database: Database, import_lines: Import) -> None:
    assert import_lines(["1,A,1e-50,2023-01-01", "2,A,3,2023-01-01"], scale=(0, 5))["read"] == 2
    assert 2 in users(database)


def test_importing_the_corrected_file_clears_its_refused_lines_and_no_others(
    import_file: Import, write_csv: Callable[..., Path], quarantined: Quarantined
) -> None:
    import_file(write_csv(["1,A,5,2023-01-01", "2,A,9,2023-01-01"], name="one.csv"))
    import_file(write_csv(["1,A,5,2023-01-01", "2,A,8,2023-01-01"], name="two.csv"))
    import_file(write_csv(["1,A,5,2023-01-01", "2,A,4,2023-01-01"], name="one.csv"))
    assert [refused["origin"] for refused in quarantined()] == ["import two.csv"]


def test_nothing_is_imported_when_no_line_is_readable(database: Database, import_lines: Import) -> None:
    with pytest.raises(BadFile) as caught:
        import_lines(["abc,A,5,2023-01-01", "2,A", "3,A,9,2023-01-01"])
    assert "ratings.csv: none of its 3 lines can be read" in caught.value.cause
    assert "line 2 user is not a whole number of 64 bits" in caught.value.cause
    assert "--date-format" in caught.value.action
    assert dump(database, "website.users", "website.experiences") == {"website.users": [], "website.experiences": []}


@pytest.mark.parametrize(
    ("content", "options", "cause", "action"),
    [
        (b"", {}, "ratings.csv is empty.", "the first line must name the columns"),
        (b"\n\n", {}, "ratings.csv is empty.", "the first line must name the columns"),
        (b"user,experience,rated_at\n1,A,2023-01-01\n", {}, "has no column for `rating`", "--rating"),
        (HEADER.replace(b",", b";") + FIRST, {}, "its header is 'user;experience;rating;rated_at'", "--delimiter"),
        (HEADER + b"1,A,5,3. Mai 2023\n", {}, "'3. Mai 2023' are in no known format", "--date-format"),
        (HEADER + FIRST, {"timezone": "Mars/Olympus"}, "no time zone 'Mars/Olympus'", "America/Bogota"),
        (HEADER + FIRST, {"timezone": "America"}, "no time zone 'America'", "America/Bogota"),
        (HEADER + FIRST, {"encoding": "klingon"}, "no text encoding 'klingon'", "--encoding utf-8"),
        (HEADER + FIRST, {"encoding": "utf-16"}, "ratings.csv", "--encoding"),
        (HEADER + FIRST, {"date_format": "%Q"}, "%Q", "--date-format"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_to_do(
    import_bytes: Import, content: bytes, options: dict[str, str], cause: str, action: str
) -> None:
    with pytest.raises(BadFile) as caught:
        import_bytes(content, **options)
    assert cause in caught.value.cause
    assert action in caught.value.action


def test_a_file_that_is_not_there_or_no_file(import_file: Import, tmp_path: Path) -> None:
    with pytest.raises(BadFile) as caught:
        import_file(tmp_path / "nowhere.csv")
    assert caught.value.cause == f"{tmp_path / 'nowhere.csv'}: No such file or directory."
    assert caught.value.action == "Check the path and its permissions."
    with pytest.raises(BadFile, match="Is a directory"):
        import_file(tmp_path)


def test_refused_lines_of_an_erased_user_are_not_kept(
    database: Database, import_lines: Import, quarantined: Quarantined
) -> None:
    with database.transaction() as transaction:
        transaction.run("insert into recommender.erasure (user_id, receipt) values (42, '{}')")
    found = import_lines(["1,A,5,2023-01-01", "042,A,9,2023-01-01", "43,A,9,2023-01-01"])
    assert found["rejected"] == 2
    assert [refused["line"] for refused in quarantined()] == [4]
