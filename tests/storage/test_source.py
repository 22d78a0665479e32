"""The source queries: held to their contract, column by column, and broken ones named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from recommender_job.config import Config
from recommender_job.errors import ConfigurationError, SourceBroken
from recommender_job.storage.database import Database
from recommender_job.storage.source import read_source
from recommender_job.tables import SOURCE_EXPERIENCES, SOURCE_RATINGS, SOURCE_USERS

Read = Callable[..., pa.Table]
NOON = datetime(2023, 1, 1, 12, tzinfo=UTC)
EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
ONE_EXPERIENCE = {
    "experience_id": "1",
    "name": "'A'",
    "is_active": "true",
    "available_from": "null",
    "available_until": "null",
}


@pytest.fixture
def read(make_config: Callable[..., Config], database: Database, tmp_path: Path) -> Read:
    """Runs a query as the source query `name`."""

    def work(query: str | bytes, schema: pa.Schema, name: str = "users", **parameters: Any) -> pa.Table:
        (tmp_path / f"{name}.sql").write_bytes(query if isinstance(query, bytes) else query.encode())
        with database.transaction() as transaction:
            return read_source(make_config({"source_queries": tmp_path}), transaction, name, schema, **parameters)

    return work


def experience(**changed: str) -> str:
    return "select " + ", ".join(f"{sql} as {column}" for column, sql in (ONE_EXPERIENCE | changed).items())


def test_values_of_every_type(read: Read) -> None:
    query = experience(
        experience_id=str(2**63 - 1),
        name="'Ñandú \"10\", '' ' || chr(10) || 'mercado'",
        available_from="timestamptz '2023-01-01 07:00:00.123456-05'",
        is_active="false",
    )
    assert read(query, SOURCE_EXPERIENCES).to_pylist() == [
        {
            "experience_id": 2**63 - 1,
            "name": 'Ñandú "10", \' \nmercado',
            "is_active": False,
            "available_from": NOON.replace(microsecond=123456),
            "available_until": None,
        }
    ]


def test_an_empty_text_is_no_null(read: Read) -> None:
    assert read(experience(name="''"), SOURCE_EXPERIENCES)["name"].to_pylist() == [""]


def test_columns_may_come_in_any_order_with_others_and_as_other_types(read: Read) -> None:
    query = "select 'x' as more, 1::smallint as is_active_not, 't'::text as is_active, '7'::varchar as user_id"
    table = read(query, SOURCE_USERS)
    assert table.schema.names == ["user_id", "is_active"]
    assert table.to_pylist() == [{"user_id": 7, "is_active": True}]


def test_no_rows(read: Read) -> None:
    table = read("select 1 as user_id, true as is_active where false", SOURCE_USERS)
    assert table.num_rows == 0
    assert table.schema.equals(SOURCE_USERS)


def test_parameters_a_final_semicolon_and_escaped_per_cent_signs(read: Read) -> None:
    query = """
        -- 100 %% of the users
        select 7 %% 4 as user_id, now() > %(since)s as is_active;
    """
    assert read(query, SOURCE_USERS, since=NOON).to_pylist() == [{"user_id": 3, "is_active": True}]


def test_a_rating_that_is_not_a_number_arrives_as_such(read: Read) -> None:
    query = """
        select 1 as user_id, 1 as experience_id, r as rating, now() as rated_at, now() as updated_at
        from (values (null), ('NaN'::real), (4.5)) as v (r)
    """
    rating = read(query, SOURCE_RATINGS, "ratings")["rating"].to_pylist()
    assert rating[0] is None
    assert rating[1] != rating[1]
    assert rating[2] == 4.5


@pytest.mark.parametrize(
    ("query", "cause"),
    [
        ("select 1 as user_id", 'column "is_active" does not exist'),
        ("select 1 as id, true as is_active", 'column "user_id" does not exist'),
        ("selec 1", "syntax error"),
        ("", "syntax error"),
        ("select * from shop.people", 'relation "shop.people" does not exist'),
        ("select 'x' as user_id, true as is_active", 'invalid input syntax for type bigint: "x"'),
        ("select 99999999999999999999 as user_id, true as is_active", "bigint out of range"),
        ("select 1 as user_id, 2.5 as is_active", "cannot cast type numeric to boolean"),
        ("select 1 / 0 as user_id, true as is_active", "division by zero"),
        ("select 1 as user_id, true as is_active, 2 as user_id", 'column reference "user_id" is ambiguous'),
        ("select 1 as user_id, true as is_active; drop table website.users", "syntax error"),
        ("select 1 as user_id, now() > %(until)s as is_active", "until"),
        ("select 1 as user_id, 'a' like '%x' as is_active", "%"),
        ("select 1 as user_id, 'a' like 'x%' as is_active", "%"),
        ("select null::bigint as user_id, true as is_active", "column user_id is null in 1 of 1 rows"),
        (
            "select 1 as user_id, nullif(true, n = 2) as is_active from generate_series(1, 3) as n",
            "column is_active is null in",
        ),
        (b"select 1 as user_id, true as is_active -- a\xf1o", "utf-8"),
    ],
)
def test_a_broken_query_is_named_with_its_cause(read: Read, tmp_path: Path, query: str | bytes, cause: str) -> None:
    with pytest.raises(SourceBroken) as caught:
        read(query, SOURCE_USERS)
    assert caught.value.cause.startswith(f"{tmp_path / 'users.sql'}: ")
    assert cause in caught.value.cause.lower()
    assert "\n" not in caught.value.cause


def test_where_a_query_is_wrong_is_told_but_no_row(read: Read) -> None:
    with pytest.raises(SourceBroken, match=r'column "nope" does not exist LINE 2: select nope as user_id'):
        read("select nope as user_id, true as is_active", SOURCE_USERS)
    row = """select (row::json ->> 'user')::bigint as user_id, true as is_active"""
    row += """ from (values ('{"user": 42,')) as r(row)"""
    with pytest.raises(SourceBroken, match="invalid input syntax for type json") as caught:
        read(row, SOURCE_USERS)
    assert "line 1" not in caught.value.cause  # the context


def test_the_next_step_lists_the_contract(read: Read) -> None:
    with pytest.raises(SourceBroken) as caught:
        read("select 1 as user_id", SOURCE_USERS)
    assert caught.value.action == "Correct users.sql; it must return user_id int64, is_active bool."
    with pytest.raises(SourceBroken) as caught:
        read("select null::bigint as user_id, true as is_active", SOURCE_USERS)
    assert "where user_id is not null" in caught.value.action


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("infinity", LATEST),
        ("-infinity", EARLIEST),
        ("294276-12-31 23:59:59+00", LATEST),
        ("10000-01-01 00:00:00+00", LATEST),
        ("9999-12-31 23:59:59.999999+00", LATEST),
        ("9999-12-31 23:59:59.999998+00", LATEST - timedelta(microseconds=1)),
        ("0001-01-01 00:00:00.000001+00", EARLIEST + timedelta(microseconds=1)),
        ("4713-01-01 00:00:00+00 BC", EARLIEST),
    ],
)
def test_moments_that_nothing_else_can_hold_become_the_nearest(read: Read, moment: str, expected: datetime) -> None:
    table = read(experience(available_until=f"'{moment}'"), SOURCE_EXPERIENCES, "experiences")
    assert table["available_until"].to_pylist() == [expected]
    assert table["available_from"].to_pylist() == [None]


def test_texts_of_many_megabytes(read: Read) -> None:
    query = experience(name="repeat('Ñandú' || chr(10), 2000000)") + " union all " + experience(experience_id="2")
    assert read(query, SOURCE_EXPERIENCES)["name"].to_pylist() == ["Ñandú\n" * 2_000_000, "A"]


def test_a_missing_file(make_config: Callable[..., Config], database: Database, tmp_path: Path) -> None:
    config = make_config({"source_queries": tmp_path / "nowhere"})
    with pytest.raises(SourceBroken) as caught, database.transaction() as transaction:
        read_source(config, transaction, "users", SOURCE_USERS)
    assert caught.value.cause == f"{tmp_path / 'nowhere' / 'users.sql'}: No such file or directory."
    assert "source_queries" in caught.value.action


def test_a_source_that_the_role_may_not_read_is_no_broken_query(config: Config, database: Database) -> None:
    def read_as_the_website() -> None:
        with database.transaction() as transaction:
            transaction.run("set local role website_reader")
            read_source(config, transaction, "users", SOURCE_USERS)

    with pytest.raises(ConfigurationError) as caught:
        read_as_the_website()
    assert "permission denied" in caught.value.cause


def test_the_shipped_queries_keep_the_contract(config: Config, database: Database) -> None:
    with database.transaction() as transaction:
        transaction.run("insert into website.users values (1)")
        transaction.run("insert into website.experiences (name, name_key) values ('A', 'a')")
        transaction.run(
            "insert into website.ratings values (1, 1, '2023-01-01 12:00+00', 1, 4.5, '2023-01-01 12:00+00')"
        )
    always = {"rated_until": "infinity", "updated_since": "-infinity", "rated_since": "-infinity"}
    with database.transaction(snapshot=True) as transaction:
        assert read_source(config, transaction, "users", SOURCE_USERS).to_pylist() == [
            {"user_id": 1, "is_active": True}
        ]
        [found] = read_source(config, transaction, "experiences", SOURCE_EXPERIENCES).to_pylist()
        assert (found["experience_id"], found["name"], found["available_until"]) == (1, "A", None)
        assert read_source(config, transaction, "ratings", SOURCE_RATINGS, **always).to_pylist() == [
            {"user_id": 1, "experience_id": 1, "rating": 4.5, "rated_at": NOON, "updated_at": NOON}
        ]
