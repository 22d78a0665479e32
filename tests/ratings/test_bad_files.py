"""Files as they really arrive: each odd line is imported as it is or kept with its reason, each odd file is told."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import pytest

from recommender_job.errors import BadFile
from recommender_job.storage.database import Database
from tests.ratings.conftest import Import
from tests.ratings.worlds import dump

HEADER = b"user,experience,rating,rated_at\n"
GOOD = b"1,A,5,2023-01-01\n"
Quarantined = Callable[[], list[dict[str, Any]]]


def line(experience: str = "B", user: str = "2", rating: str = "4", rated_at: str = "2023-01-02") -> bytes:
    return f"{user},{experience},{rating},{rated_at}\n".encode()


def names(database: Database) -> list[str]:
    return sorted(row["name"] for row in dump(database, "website.experiences")["website.experiences"])


TAKEN = {
    "emoji": ("🎬 Cine para dos 🍿", "🎬 Cine para dos 🍿"),
    "emoji of several code points": ("👨‍👩‍👧‍👦 Parque", "👨‍👩‍👧‍👦 Parque"),
    "right to left": ("قسيمة هدية", "قسيمة هدية"),
    "right-to-left mark inside": ("Bono\u200f 30", "Bono\u200f 30"),
    "combining accents": ("Cafe\u0301", "Café"),
    "trailing blank": ("Bono mercado ", "Bono mercado"),
    "no-break space": ("Bono\u00a0mercado", "Bono mercado"),
    "quotes": ('"Cena ""La Brasa"""', 'Cena "La Brasa"'),
    "separator in quotes": ('"Cena, con vino"', "Cena, con vino"),
    "formula": ("=1+1", "=1+1"),
    "statement": ("A'); drop table website.ratings; --", "A'); drop table website.ratings; --"),
    "backslashes": (r"a\nb\N", r"a\nb\N"),
    "word for nothing": ("NULL", "NULL"),
    "word for no number": ("NaN", "NaN"),
    "markup": ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    "500 characters": ("x" * 500, "x" * 500),
}


@pytest.mark.parametrize("kind", TAKEN)
def test_a_name_is_taken_as_it_is_written(database: Database, import_bytes: Import, kind: str) -> None:
    written, stored = TAKEN[kind]
    found = import_bytes(HEADER + GOOD + line(written))
    assert (found["read"], found["imported"], found["rejected"]) == (2, 2, 0)
    assert names(database) == sorted(["A", stored])


REFUSED = {
    "field of ten megabytes": (line("x" * 10_000_000), "", "field larger than field limit"),
    "name of 501 characters": (line("x" * 501), "experience", "500"),
    "1e308": (line(rating="1e308"), "rating", "is outside the scale"),
    "minus infinity": (line(rating="-inf"), "rating", "is not a finite number"),
    "decimal comma": (line(rating='"4,5"'), "rating", "is not a finite number"),
    "underscore in a number": (line(user="1_000"), "user", "is not a whole number of 64 bits"),
    "hexadecimal": (line(user="0x1f"), "user", "is not a whole number of 64 bits"),
    "a fraction": (line(user="4.2"), "user", "is not a whole number of 64 bits"),
    "year 1": (line(rated_at="0001-01-01"), "rated_at", "lies before 1970 or after 2199"),
    "year 9999": (line(rated_at="9999-12-31"), "rated_at", "lies before 1970 or after 2199"),
    "year 10000": (line(rated_at="10000-01-01"), "rated_at", "is not a date"),
    "30th of February": (line(rated_at="2023-02-30"), "rated_at", "is not a date"),
    "header again": (HEADER, "rating", "is not a finite number"),
    "only separators and a blank": (b" , ,4,2023-01-02\n", "user", "is empty"),
    "Latin-1 in UTF-8": (b"2,Cafe con le\xf1a,4,2023-01-02\n", "", "is not text in the file's encoding"),
    "cut in the middle": (b"2,B,4", "", "has 3 fields, the header 4"),
    "a field too many": (b"2,B,4,2023-01-02,5\n", "", "has 5 fields, the header 4"),
    "NUL bytes": (b"2,B\0,4,2023-01-02\n", "experience", "holds a NUL character"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_line_is_kept_with_its_reason(
    database: Database, import_bytes: Import, quarantined: Quarantined, kind: str
) -> None:
    bad, column, reason = REFUSED[kind]
    found = import_bytes(HEADER + GOOD + GOOD.replace(b"1,A", b"3,A") + bad)
    assert (found["read"], found["imported"], found["rejected"]) == (3, 2, 1)
    [kept] = quarantined()
    assert (kept["origin"], kept["line"], kept["column_name"]) == ("import ratings.csv", 4, column)
    assert reason in kept["reason"]
    assert kept["content"]
    assert names(database) == ["A"]


TOLD = {
    "header only": (HEADER, None),
    "header named twice": (b"user,user,experience,rating,rated_at\n" + GOOD, "several columns for `user`"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "no column for `user`"),
    "compressed": (gzip.compress(HEADER + GOOD, mtime=0), "no column for `user`"),
    "UTF-16 read as UTF-8": ("user,experience,rating,rated_at\n".encode("utf-16"), "no column for `user`"),
    "no header": (GOOD * 3, "no column for `user`"),
    "a web page": (b"<!DOCTYPE html>\n<html><body>Not found</body></html>\n", "no column for `user`"),
}


@pytest.mark.parametrize("kind", TOLD)
def test_a_file_of_something_else_is_told_and_nothing_is_kept(
    database: Database, import_bytes: Import, quarantined: Quarantined, kind: str
) -> None:
    content, cause = TOLD[kind]
    if cause is None:
        assert import_bytes(content)["read"] == 0
    else:
        with pytest.raises(BadFile) as caught:
            import_bytes(content)
        assert cause in caught.value.cause
        assert "ratings.csv" in caught.value.cause
    assert names(database) == []
    assert quarantined() == []


def test_files_of_other_systems_are_read(database: Database, import_bytes: Import) -> None:
    text = "user,experience,rating,rated_at\r\n1,Añejo,5,2023-01-01\r\n"
    for content, encoding in (
        (b"\xef\xbb\xbf" + text.encode(), "utf-8"),
        (text.encode("latin-1"), "latin-1"),
        (text.encode("cp1252"), "cp1252"),
        (text.encode("utf-16"), "utf-16"),
    ):
        assert import_bytes(content, encoding=encoding)["rejected"] == 0
        assert names(database) == ["Añejo"]
