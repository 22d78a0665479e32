"""Ratings on their way into a file: every row, whatever the block; trouble on either side ends both and is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow.parquet as pq
import pytest

from recommender_job.config import Config
from recommender_job.errors import ConfigurationError, DatabaseAway, SourceBroken
from recommender_job.storage import binary_rows
from recommender_job.storage.binary_rows import BinaryRows
from recommender_job.storage.database import Database
from recommender_job.storage.source import count_source, read_source, spool_source
from recommender_job.tables import SOURCE_DELETIONS, SOURCE_RATINGS
from tests.storage.test_artifacts_failures import files_of_at_most

Spool = Callable[..., int]
#: Rows that would take days: whoever does not end the query does not come back.
FOR_EVER = 10**12
RATINGS = """
    select n as user_id, 7 as experience_id, mod(n, 5)::real as rating,
        timestamptz '2023-01-01 00:00+00' + n * interval '1 second' as rated_at, {updated} as updated_at
    from (select generate_series(1, {rows}) as n) as numbers
"""


def ratings(rows: int, updated: str = "timestamptz '2023-02-01 00:00+00'") -> str:
    return RATINGS.format(rows=rows, updated=updated)


@pytest.fixture(autouse=True)
def _small_blocks() -> Iterator[None]:
    with patch.object(binary_rows, "BLOCK", 10_000), patch.object(binary_rows, "ROWS", 150):
        yield


@pytest.fixture
def queries(make_config: Callable[..., Config], tmp_path: Path) -> Callable[[str], Config]:
    """A configuration with this query for the ratings."""

    def work(query: str) -> Config:
        (tmp_path / "ratings.sql").write_text(query, "utf-8")
        return make_config({"source_queries": tmp_path})

    return work


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ratings.parquet"


@pytest.fixture
def spool(database: Database, queries: Callable[[str], Config], file: Path) -> Spool:
    """Spools a query and returns the number of rows."""

    def work(query: str, **parameters: Any) -> int:
        with database.transaction(snapshot=True) as transaction:
            return spool_source(queries(query), transaction, "ratings", SOURCE_RATINGS, file, **parameters)

    return work


def nothing_is_left(database: Database) -> bool:
    """Whether our connections to the database end."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with database.transaction() as transaction:
            others = transaction.row(
                "select count(*) as n from pg_stat_activity where datname = current_database()"
                " and pid <> pg_backend_pid() and backend_type = 'client backend'"
            )
        if others == {"n": 0}:
            return True
    return False


def test_the_file_holds_what_reading_at_once_returns(
    database: Database, queries: Callable[[str], Config], spool: Spool, file: Path
) -> None:
    query = ratings(1000) + " where n > %(above)s"
    assert spool(query, above=100) == 900
    with database.transaction() as transaction:
        expected = read_source(queries(query), transaction, "ratings", SOURCE_RATINGS, above=100)
    assert pq.read_table(file).equals(expected)
    assert pq.read_schema(file).equals(SOURCE_RATINGS)
    assert pq.ParquetFile(file).num_row_groups > 3  # it came in blocks


def test_no_rows_and_no_file(database: Database, config: Config, spool: Spool, file: Path) -> None:
    assert spool(ratings(0)) == 0
    assert pq.read_table(file).equals(SOURCE_RATINGS.empty_table())
    lost = config.model_copy(update={"source_queries": file.parent / "nowhere"})
    with database.transaction() as transaction:
        assert spool_source(lost, transaction, "deletions", SOURCE_DELETIONS, file, optional=True, deleted_since=0) == 0
        assert pq.read_table(file).equals(SOURCE_DELETIONS.empty_table())
        with pytest.raises(SourceBroken, match=r"deletions\.sql: No such file"):
            spool_source(lost, transaction, "deletions", SOURCE_DELETIONS, file)


def test_moments_out_of_bounds_and_values_that_are_none(spool: Spool, file: Path) -> None:
    values = "(null, '-infinity'), ('NaN', '4713-01-01 00:00+00 BC'), ('-Infinity', '2023-01-01 00:00+00')"
    query = (
        "select 1 as user_id, 1 as experience_id, rating::real, moment::timestamptz as rated_at,"
        f" 'infinity'::timestamptz as updated_at from (values {values}) as v (rating, moment)"
    )
    assert spool(query) == 3
    table = pq.read_table(file)
    assert [moment.year for moment in table["rated_at"].to_pylist()] == [1, 1, 2023]
    assert [moment.year for moment in table["updated_at"].to_pylist()] == [9999] * 3
    assert table["rating"].to_pylist()[0] is None
    assert table["rating"].to_pylist()[2] == float("-inf")


def test_nulls_are_counted_over_all_rows(spool: Spool, file: Path) -> None:
    with pytest.raises(SourceBroken) as caught:
        spool(ratings(1000, updated="case when mod(n, 10) <> 0 then now() end"))
    assert caught.value.cause == f"{file.parent / 'ratings.sql'}: column updated_at is null in 100 of 1000 rows."
    assert caught.value.action == "Fill the column, or leave those rows out with `where updated_at is not null`."


def test_a_null_in_the_last_row_alone_is_refused(spool: Spool) -> None:
    with pytest.raises(SourceBroken, match="column updated_at is null in 1 of 1000 rows"):
        spool(ratings(1000, updated="case when n < 1000 then now() end"))


def test_a_null_that_is_gone_when_the_nulls_are_counted(spool: Spool) -> None:
    with pytest.raises(SourceBroken, match="was null in a row, and no longer when the nulls were counted"):
        spool(ratings(1000, updated="case when current_query() like 'copy (select count%%' then now() end"), above=0)


def test_a_query_that_fails_half_way(database: Database, spool: Spool) -> None:
    with pytest.raises(SourceBroken, match=r"ratings\.sql: division by zero") as caught:
        spool(ratings(100_000, updated="now() + interval '1 second' * (1 / (50000 - n))"))
    assert caught.value.action.startswith("Correct ratings.sql; it must return user_id int64, ")
    assert nothing_is_left(database)


def test_a_role_that_may_not_read(database: Database, queries: Callable[[str], Config], file: Path) -> None:
    config = queries("select * from website.ratings")

    def read_as_the_website() -> None:
        with database.transaction() as transaction:
            transaction.run("set local role website_reader")
            spool_source(config, transaction, "ratings", SOURCE_RATINGS, file)

    with pytest.raises(ConfigurationError, match="permission denied"):
        read_as_the_website()


def test_a_full_disk_ends_the_copy(database: Database, spool: Spool) -> None:
    with files_of_at_most(40_000), pytest.raises(OSError, match="File too large"):
        spool(ratings(FOR_EVER))
    assert nothing_is_left(database)


def test_a_connection_that_is_killed_half_way(database: Database, queries: Callable[[str], Config], file: Path) -> None:
    config = queries(ratings(FOR_EVER))
    received = []
    unpack = BinaryRows._unpack

    def kill_after_three(rows: BinaryRows, block: bytes | None) -> None:
        received.append(1)
        if len(received) == 3:
            with database.transaction() as other:
                other.rows(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where datname = current_database() and query like 'copy %'"
                )
        unpack(rows, block)

    def read() -> None:
        with database.transaction(snapshot=True) as transaction:
            spool_source(config, transaction, "ratings", SOURCE_RATINGS, file)

    with patch.object(BinaryRows, "_unpack", kill_after_three), pytest.raises(DatabaseAway) as caught:
        read()
    assert "cannot be reached" in caught.value.cause
    assert nothing_is_left(database)


def test_rows_are_counted_without_reading_them(database: Database, queries: Callable[[str], Config]) -> None:
    config = queries(ratings(5000, updated="null::timestamptz") + " where n > %(above)s -- the end")
    with database.transaction() as transaction:
        assert count_source(config, transaction, "ratings", SOURCE_RATINGS, above=1000) == 4000
        with pytest.raises(SourceBroken, match=r"ratings\.sql: .*'above'"):
            count_source(config, transaction, "ratings", SOURCE_RATINGS)
