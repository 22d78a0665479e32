"""Statements and their parameters: what goes in comes out, and nothing of it is taken for SQL."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest

from recommender_job.storage.database import Database

AWKWARD = 'O\'Hara; drop table website.users; -- "quoted" :colon %percent %(name)s \\ ñ\n'


def test_rows_and_row(database: Database) -> None:
    with database.transaction() as transaction:
        both = "select 1 as a, 'x' as b union all select 2, null order by a"
        assert transaction.rows(both) == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
        assert transaction.row(both) == {"a": 1, "b": "x"}
        assert transaction.rows("select 1 as a where false") == []
        assert transaction.row("select 1 as a where false") is None


@pytest.mark.parametrize("value", [AWKWARD, "", None, 2**62, -0.5, datetime(2023, 1, 1, 10, tzinfo=UTC), [1, 2]])
def test_parameters_arrive_as_they_are(database: Database, value: Any) -> None:
    with database.transaction() as transaction:
        assert transaction.row("select :value as value", value=value) == {"value": value}


def test_run_tells_how_many_rows_it_touched(database: Database) -> None:
    with database.transaction() as transaction:
        assert transaction.run("insert into website.users values (1), (2), (3)") == 3
        assert transaction.run("delete from website.users where user_id > :least", least=1) == 2
        assert transaction.run("delete from website.users where user_id > :least", least=1) == 0
        assert transaction.count("website.users") == 1


def test_run_many_runs_once_for_each_row_and_not_at_all_without(database: Database) -> None:
    insert = "insert into website.users values (:user, :active)"
    with database.transaction() as transaction:
        transaction.run_many(insert, [])
        assert transaction.count("website.users") == 0
        transaction.run_many(insert, [{"user": 1, "active": True}, {"user": 2, "active": False}])
        assert transaction.rows("select * from website.users order by user_id") == [
            {"user_id": 1, "is_active": True},
            {"user_id": 2, "is_active": False},
        ]


def test_copy_in_tells_null_from_empty_text(database: Database) -> None:
    with database.transaction() as transaction:
        transaction.run("create table recommender.loaded (n bigint, text text)")
        rows = b'1,""\n,\n3,"a ""b"",\nc"\n4,\\N\n'
        assert transaction.copy_in("recommender.loaded", ["n", "text"], io.BytesIO(rows)) == 4
        assert [tuple(row.values()) for row in transaction.rows("select * from recommender.loaded")] == [
            (1, ""),
            (None, None),
            (3, 'a "b",\nc'),
            (4, "\\N"),
        ]


def test_copy_out_binds_its_parameters(database: Database) -> None:
    sink = io.BytesIO()
    with database.transaction() as transaction:
        transaction.copy_out(
            "select %(text)s as text, n, null as nothing, '' as empty, n %% 2 as odd"
            " from generate_series(1, 2) as n where n >= %(least)s",
            {"text": AWKWARD, "least": 2},
            sink,
        )
    quoted = AWKWARD.replace('"', '""')
    assert sink.getvalue().decode() == f'text,n,nothing,empty,odd\n"{quoted}",2,,"",0\n'
