"""Importing random text: every line becomes an event or is kept with number and reason; nothing happens twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from recommender_job.errors import BadFile
from recommender_job.ratings.replay_file import read_file_again
from recommender_job.storage.database import Database
from tests.ratings.conftest import NOW, Import
from tests.ratings.worlds import dump

HEADER = "user,experience,rating,rated_at"
TABLES = ("website.users", "website.experiences", "website.experience_spellings", "website.ratings")
KEPT = ("recommender.quarantine",)
#: Quotes, separators, right-to-left text and its marks, control characters, combining marks, emoji, digits of others.
ODD = "\"',;\t \0\x01\x0b\x0c\x1c\x85\u2028\u200f\u202e\u05d0\u0627\u0661\u0301\u00df\u0130\ufeff\ufffd\U0001f600"

anything = st.one_of(
    st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12),
    st.text(ODD, max_size=6),
)
numbers = st.one_of(
    st.integers(-(10**30), 10**30).map(str),
    st.floats().map(str),
    st.sampled_from(
        ["9" * 4000, "1e308", "1e309", "-0", "+5", "5.", ".5", "0x5", "1_0", "5%", "\u0665", "True", "nan", "1e-400"]
    ),
)
moments = st.one_of(
    st.datetimes().map(str),
    st.sampled_from(
        ["2023-01-01", "2023-01-01T10:00Z", "2023-01-01T10:00 Z", "2023-01-01 10:00 +0500", "2023-01-01T10:00+99:99",
         "2023-01-01T24:00", "20230101", "2023-W01", "2023-001", "0001-01-01", "9999-12-31", "now", "1e9",
         "2023-01-01T10:00-05"]
    ),
)  # fmt: skip
fields = st.one_of(
    st.tuples(st.just("7"), anything, st.just("4"), st.just("2023-01-01")),
    st.tuples(numbers, st.just("A"), numbers, st.just("2023-01-01")),
    st.tuples(st.just("7"), st.just("A"), st.just("4"), moments),
    st.tuples(anything | numbers, anything, anything | numbers, anything | moments),
)
lines = st.one_of(
    fields.map(",".join),
    fields.map(lambda parts: ",".join('"' + part.replace('"', '""') + '"' for part in parts)),
    anything,
)
#: So that most dates show the format, and one line is readable: without, nothing is imported at all.
READABLE = [b"%d,Z,3,2023-01-01" % user for user in range(13)]
on_a_database = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def empty(database: Database) -> None:
    with database.transaction() as transaction:
        transaction.run(f"truncate {', '.join([*TABLES, *KEPT])} restart identity cascade")


def is_blank(raw: bytes) -> bool:
    """Whether a line holds nothing but separators, blanks and quotes around them."""
    text = raw.decode("utf-8", "surrogateescape")
    return not text.replace('"', "").replace(",", "").strip()


def as_kept(raw: bytes) -> str:
    """The characters of a line that PostgreSQL stores; a byte that is no text became a question mark."""
    return raw.decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode().replace("\0", "\ufffd")


@on_a_database
@given(
    st.lists(
        lines.map(str.encode) | st.binary(max_size=12).filter(lambda raw: not set(raw) & set(b"\r\n")), max_size=12
    )
)
@example([b'7,"A,4,2023-01-01', b'7,A,"4,2023-01-01"', b",,,", b"7,A" + b"x" * 140_000 + b",4,2023-01-01"])
@example([b"9" * 3000 + b",A,4,2023-01-01", b"7," + bytes(range(33, 127)) * 60 + b",4,2023-01-01"])
def test_every_line_is_imported_or_kept_with_its_number(
    database: Database, import_bytes: Import, quarantined: Callable[[], list[dict[str, Any]]], raw_lines: list[bytes]
) -> None:
    empty(database)
    # Whether quotes around nothing are something is the reader's to say.
    raw_lines = [*READABLE, *(raw for raw in raw_lines if not (is_blank(raw) and b'"' in raw))]
    content = b"\n".join([HEADER.encode(), *raw_lines]) + b"\n"
    found = import_bytes(content)
    kept = quarantined()
    written = {number: raw for number, raw in enumerate(raw_lines, start=2) if not is_blank(raw)}
    assert found["read"] == len(written)
    assert {row["line"] for row in kept} <= set(written)
    assert len({row["line"] for row in kept}) == len(kept) == found["rejected"]
    for row in kept:
        assert row["reason"]
        assert row["content"] == as_kept(written[row["line"]])
    assert found["read"] == found["imported"] + found["rejected"]
    assert (found["corrected"], found["unchanged"]) == (0, 0)
    assert len(dump(database, "website.ratings")["website.ratings"]) == found["imported"]
    before, others = dump(database, *TABLES), [{**row} for row in kept]
    again = import_bytes(content)
    assert again == {**found, "imported": 0, "unchanged": found["imported"]}
    assert (dump(database, *TABLES), quarantined()) == (before, others)
    # Nothing of it becomes readable by itself.
    told = read_file_again(database, "import ratings.csv", now=NOW, scale=(1, 5))
    assert (told["imported"], told["known"], told["refused"] + told["not_repeatable"]) == (0, 0, found["rejected"])
    assert (dump(database, *TABLES), quarantined()) == (before, others)


@on_a_database
@given(st.lists(lines, min_size=1, max_size=4))
def test_a_file_of_any_text_is_read_or_refused_as_a_whole(
    database: Database, import_bytes: Import, text: list[str]
) -> None:
    empty(database)
    try:
        found = import_bytes("\n".join([HEADER, *text]).encode())
    except BadFile:
        assert not any(dump(database, *TABLES, *KEPT).values())
    else:
        assert found["read"] == found["imported"] + found["rejected"]
        assert found["imported"] or not found["read"]
