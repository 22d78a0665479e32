"""Reading a file: its text, its lines, and which of them are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recommender_job.errors import BadFile
from recommender_job.ratings import reader
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.reader import read_batches

HEADER = "user,experience,rating,rated_at\n"
FILE = HEADER + "1,A,5,2023-01-01\n2,B,4,2023-01-02\n"
Read = Callable[..., tuple[pd.DataFrame, pd.DataFrame]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads text or bytes as a file; returns its rows and its refused lines."""

    def work(content: str | bytes, *, dates_needed: bool = True, **columns: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
        file = tmp_path / "ratings.csv"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        batches = list(read_batches(file, Columns(**columns), dates_needed=dates_needed))
        return pd.concat([b.rows for b in batches]), pd.concat([b.rejected for b in batches])

    return work


def refusals(rejected: pd.DataFrame) -> list[tuple[int, str, str]]:
    return list(rejected[["line", "column_name", "reason"]].itertuples(index=False, name=None))


def test_a_row_holds_the_line_and_what_it_says(read: Read) -> None:
    rows, rejected = read(HEADER + "7, Bono   Café ,4.5,2023-01-01T10:00Z\n")
    assert rows.to_dict("records") == [
        {
            "line": 2,
            "user": "7",
            "experience": "Bono Café",
            "experience_key": "bono café",
            "experience_text": " Bono   Café ",
            "rating": 4.5,
            "content": "7, Bono   Café ,4.5,2023-01-01T10:00Z",
            "rated_at": pd.Timestamp("2023-01-01 10:00", tz="UTC"),
        }
    ]
    assert str(rows["rated_at"].dtype) == "datetime64[us, UTC]"
    assert rejected.empty


def test_blank_lines_are_passed_over_but_counted_as_lines(read: Read) -> None:
    rows, rejected = read(HEADER + "\n1,A,5,2023-01-01\n   \n,,,\n2,B,4,2023-01-02\n\n")
    assert rows["line"].tolist() == [3, 6]
    assert rejected.empty


def test_a_quoted_field_may_hold_separators_and_quotes(read: Read) -> None:
    rows, rejected = read(HEADER + '1,"Bono ""10"", mercado",5,2023-01-01\n2,B,4,2023-01-02\n')
    assert rows["experience"].tolist() == ['Bono "10", mercado', "B"]
    assert rows["line"].tolist() == [2, 3]
    assert rejected.empty


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_endings_of_all_systems(read: Read, ending: str) -> None:
    rows, _ = read(FILE.replace("\n", ending))
    assert rows["rating"].tolist() == [5, 4]


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators(read: Read, separator: str) -> None:
    rows, _ = read(FILE.replace(",", separator), delimiter=separator)
    assert rows["experience"].tolist() == ["A", "B"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encodings(read: Read, encoding: str) -> None:
    rows, _ = read(FILE.replace("A", "Ñandú").encode(encoding), encoding=encoding)
    assert rows["experience"].tolist() == ["Ñandú", "B"]


def test_a_byte_order_mark_is_no_part_of_the_first_name(read: Read) -> None:
    rows, _ = read(FILE.encode("utf-8-sig"))
    assert rows["user"].tolist() == ["1", "2"]


def test_a_byte_order_mark_before_a_quoted_header(read: Read) -> None:
    rows, _ = read(('"user","experience","rating","rated_at"\n' + "1,A,5,2023-01-01\n").encode("utf-8-sig"))
    assert rows["user"].tolist() == ["1"]


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        (b"9,X,5", "", "has 3 fields, the header 4"),
        (b"9,X,4,5,2023-01-01", "", "has 5 fields, the header 4"),
        (b",X,5,2023-01-01", "user", "is empty"),
        (b"9,  ,5,2023-01-01", "experience", "is empty"),
        (b"9,X,,2023-01-01", "rating", "is not a finite number"),
        (b"9,X,NaN,2023-01-01", "rating", "is not a finite number"),
        (b"9,X,1e309,2023-01-01", "rating", "is not a finite number"),
        (b"9,X,-inf,2023-01-01", "rating", "is not a finite number"),
        (b"9,X,five,2023-01-01", "rating", "is not a finite number"),
        (b"9,X\0Y,5,2023-01-01", "experience", "holds a NUL character"),
        (b"9\0,X,5,2023-01-01", "user", "holds a NUL character"),
        (b"9,Caf\xe9,5,2023-01-01", "", "is not text in the file's encoding"),
        (b"9,X,5,yesterday", "rated_at", "is not a date like ISO8601 in America/Bogota"),
        (b"9,X,5,2023-02-30", "rated_at", "is not a date like ISO8601 in America/Bogota"),
        (b"9,X,5,1969-12-31", "rated_at", "lies before 1970 or after 2199"),
        (b"9,X,5,9999-12-31", "rated_at", "lies before 1970 or after 2199"),
        (b"9," + b"x" * 140_000 + b",5,2023-01-01", "", "cannot be split into fields"),
    ],
)
def test_a_line_that_cannot_be_read_is_refused_alone(read: Read, line: bytes, column: str, reason: str) -> None:
    first, second = FILE.removeprefix(HEADER).splitlines()
    rows, rejected = read(b"\n".join([HEADER.strip().encode(), first.encode(), line, second.encode()]) + b"\n")
    assert rows["user"].tolist() == ["1", "2"]
    [(at, where, why)] = refusals(rejected)
    assert (at, where) == (3, column)
    assert why.startswith(reason)


def test_a_refused_line_is_kept_as_it_was_written(read: Read) -> None:
    _, rejected = read(HEADER + "1,A,5,2023-01-01\n2, Bono  B ,many,2023-01-01\n")
    assert rejected["content"].tolist() == ["2, Bono  B ,many,2023-01-01"]


def test_a_line_in_another_encoding_with_too_few_fields_is_kept_as_text(read: Read) -> None:
    _, rejected = read(FILE.encode() + b"9,Caf\xe9\n")
    assert rejected["line"].tolist() == [4]
    assert rejected["content"].str.encode("utf-8").tolist() == [b"9,Caf?"]


@pytest.mark.parametrize("tail", ["", '4,"D",2,2023-01-04\n'])
def test_an_unclosed_quote_costs_its_own_line_only(read: Read, tail: str) -> None:
    rows, rejected = read(FILE + '9,"X,5,2023-01-03\n3,C,3,2023-01-03\n' + tail)
    assert rows["user"].tolist() == ["1", "2", "3", "4"][: 3 + bool(tail)]
    assert rejected["line"].tolist() == [4]


def test_an_unclosed_quote_in_the_last_line(read: Read) -> None:
    rows, rejected = read(FILE + '9,"X,5,2023-01-03\n')
    assert rows["user"].tolist() == ["1", "2"]
    assert refusals(rejected) == [(4, "", "has 2 fields, the header 4")]


def test_batches_are_bounded_and_keep_counting_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "BATCH_LINES", 2)
    file = tmp_path / "ratings.csv"
    file.write_text(FILE + "3,A\n4,B\n5,C,1,2023-01-03\n", "utf-8")
    batches = list(read_batches(file, Columns()))
    assert [batch.rows["line"].tolist() for batch in batches] == [[2, 3], [], [6]]
    assert [batch.rejected["line"].tolist() for batch in batches] == [[], [4, 5], []]


def test_the_file_is_named_when_it_has_no_line_that_could_be_read(read: Read) -> None:
    for nothing in ("", "\n\n", "\ufeff"):
        with pytest.raises(BadFile, match=r"ratings\.csv (is empty|has no column)"):
            read(nothing)
