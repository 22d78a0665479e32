"""What COPY writes in its binary format: every value, however the bytes come in; and rows of another shape show."""

from __future__ import annotations

import contextlib
import io
import itertools
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender_job.storage import binary_rows
from recommender_job.storage.binary_rows import BinaryRows
from recommender_job.storage.database import Database
from recommender_job.tables import SOURCE_RATINGS

FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)
A_MOMENT = datetime(1969, 12, 31, 23, 59, 59, 999999, UTC)
QUERY = """
    select * from (
        values (1::bigint, -2::bigint, 4.5::real, timestamptz '1969-12-31 23:59:59.999999+00', timestamptz 'infinity'),
            (-9223372036854775808, 9223372036854775807, null, '-infinity', '0001-01-01 00:00:00+00'),
            (3, 4, 'NaN', '4713-01-01 00:00+00 BC', '9999-12-31 23:59:59.999999+00'),
            (5, 6, '-Infinity', '294276-01-01 00:00+00', '1969-12-31 23:59:59.999999+00')
    ) as v (user_id, experience_id, rating, rated_at, updated_at)
"""


class Full(Exception):
    pass


def copied(database: Database, query: str) -> bytes:
    sink = io.BytesIO()
    with database.transaction() as transaction:
        transaction.copy_out(query, {}, sink, binary=True)
    return sink.getvalue()


def taken(
    writes: Sequence[bytes], block: int = 2**19, rows_at_once: int = 1, schema: pa.Schema = SOURCE_RATINGS
) -> tuple[BinaryRows, list[pa.Table]]:
    tables: list[pa.Table] = []
    with patch.object(binary_rows, "BLOCK", block), patch.object(binary_rows, "ROWS", rows_at_once):
        rows = BinaryRows(schema, tables.append)
        with rows.sink() as sink:
            for data in writes:
                sink.write(data)
    return rows, tables


def test_values(database: Database) -> None:
    rows, [table] = taken([copied(database, QUERY)])
    assert rows.rows == 4
    assert table.schema.equals(SOURCE_RATINGS)
    found = [tuple(row.values()) for row in table.to_pylist()]
    assert found[0] == (1, -2, 4.5, A_MOMENT, LAST)
    assert found[1] == (-(2**63), 2**63 - 1, None, FIRST, FIRST)
    assert found[2] == (3, 4, pytest.approx(float("nan"), nan_ok=True), FIRST, LAST)
    assert found[3] == (5, 6, float("-inf"), LAST, A_MOMENT)
    assert table["rating"].null_count == 1


ROWS = "select * from (select n::bigint as user_id, 2::bigint as experience_id, {rating} as rating, {moment} as"
ROWS += " rated_at, now() as updated_at from generate_series(1, 100) as n) as rows"
EVERY = ROWS.format(rating="3::real", moment="now()")


@pytest.mark.parametrize("null", ["false", "true", "n = 1", "n = 100", "n > 50", "mod(n, 3) = 0"])
def test_the_same_rows_whatever_comes_at_once(database: Database, null: str) -> None:
    whole = copied(database, ROWS.format(rating=f"case when not ({null}) then n::real end", moment="now()"))
    with database.transaction() as transaction:
        expected = transaction.rows(f"select n, {null} as is_null from generate_series(1, 100) as n")
    cut = st.lists(st.integers(0, len(whole)), max_size=8).map(sorted)

    @given(cut, st.sampled_from([1, 57, 58, 59, 1000]), st.sampled_from([1, 7, 1000]))
    def check(places: list[int], block: int, at_once: int) -> None:
        ends = [0, *places, len(whole)]
        rows, tables = taken([whole[a:b] for a, b in itertools.pairwise(ends)], block, at_once)
        table = pa.concat_tables(tables)
        assert table["user_id"].to_pylist() == list(range(1, 101))
        assert table["rating"].to_pylist() == [None if row["is_null"] else row["n"] for row in expected]
        assert rows.rows == 100
        assert all(len(one) >= at_once for one in tables[:-1])

    check()


def test_every_column_may_be_null(database: Database) -> None:
    kinds = {
        "bigint": (pa.int64(), 7),
        "real": (pa.float32(), 2.5),
        "timestamptz": (SOURCE_RATINGS.field("rated_at").type, A_MOMENT),
    }
    names = dict(zip("abc", kinds, strict=True))
    schema = pa.schema([pa.field(name, kinds[kind][0]) for name, kind in names.items()])
    some = st.tuples(*(st.sampled_from([value, None]) for _, value in kinds.values()))

    @settings(deadline=None)
    @given(st.lists(some, min_size=1, max_size=9), st.sampled_from([1, 20, 38]))
    def check(rows: list[tuple[Any, ...]], block: int) -> None:
        values = ", ".join("(" + ", ".join("null" if one is None else f"'{one}'" for one in row) + ")" for row in rows)
        columns = ", ".join(f"{name}::{kind}" for name, kind in names.items())
        whole = copied(database, f"select {columns} from (values {values}) as v (a, b, c)")
        _, tables = taken([whole], block, schema=schema)
        assert [tuple(row.values()) for row in pa.concat_tables(tables).to_pylist()] == rows

    check()


# Of the first the upper half is 8, of the second the lower: the length of a moment, if one reads some bytes too early.
@pytest.mark.parametrize("moment", ["2000-01-01 09:32:39.738368+00", "2000-01-01 00:00:00.000008+00"])
def test_moments_that_look_like_lengths(database: Database, moment: str) -> None:
    there = datetime.fromisoformat(moment)
    query = "select n::bigint as user_id, -1::bigint as experience_id, {}, {}, m"
    query += f" from (select n, timestamptz '{moment}' as m from generate_series(1, 3) as n) as numbers order by n"
    rating, rated = "case when n > 1 then 2::real end", "case when n > 1 then m end"
    _, [table] = taken([copied(database, query.format(rating, "m"))])
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        (n, -1, 2.0 if n > 1 else None, there, there) for n in (1, 2, 3)
    ]
    for one in ("2::real", rating):
        rows, tables = taken([copied(database, query.format(one, rated))])
        assert (rows.rows, tables) == (0, [])


@pytest.mark.parametrize("rating", ["3::real", "case when mod(n, 3) > 0 then 3::real end"])
@pytest.mark.parametrize("where", [1, 50, 100])
def test_a_null_where_none_may_be_ends_the_taking(database: Database, where: int, rating: str) -> None:
    whole = copied(database, ROWS.format(rating=rating, moment=f"case when n <> {where} then now() end"))
    rows, tables = taken([whole[place : place + 64] for place in range(0, len(whole), 64)], 64)
    assert rows.rows == sum(map(len, tables)) < where
    assert rows.rows >= where - 3


def test_no_rows(database: Database) -> None:
    rows, tables = taken([copied(database, EVERY + " where false")])
    assert (rows.rows, tables) == (0, [])


def test_what_the_taker_raises_reaches_the_writer(database: Database) -> None:
    whole = copied(database, EVERY)
    calls: list[Any] = []

    def take(table: pa.Table) -> None:
        calls.append(threading.current_thread() is threading.main_thread())
        raise Full

    def write() -> None:
        with BinaryRows(SOURCE_RATINGS, take).sink() as sink:
            for place in range(len(whole)):
                sink.write(whole[place : place + 1])

    with patch.object(binary_rows, "BLOCK", 64), patch.object(binary_rows, "ROWS", 1), pytest.raises(Full):
        write()
    assert calls[0] is False
    assert len(calls) < 10


def test_what_an_interrupted_copy_left_is_not_taken(database: Database) -> None:
    whole, tables = copied(database, EVERY), []

    def write() -> None:
        with BinaryRows(SOURCE_RATINGS, tables.append).sink() as sink:
            sink.write(whole)
            raise Full

    # Unpacked at once, since it would depend on chance whether another thread still begins with it.
    at_once = patch.object(binary_rows, "beside", contextlib.nullcontext)
    with at_once, patch.object(binary_rows, "ROWS", 1), pytest.raises(Full):
        write()
    assert tables == []
