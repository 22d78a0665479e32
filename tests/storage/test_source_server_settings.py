"""Rows arrive as they are, however the customer's server is set."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from recommender_job.config import Config
from recommender_job.storage.database import Database
from recommender_job.storage.source import read_source
from recommender_job.tables import SOURCE_EXPERIENCES, SOURCE_RATINGS

RATING = "select 1 as user_id, 2 as experience_id, 4.1000004::real as rating, moment as rated_at, moment as updated_at"


@pytest.mark.parametrize(
    "setting", ["datestyle = 'German, DMY'", "timezone = 'America/Bogota'", "extra_float_digits = 0"]
)
def test_ratings_in_another_style(
    make_config: Callable[..., Config], database: Database, tmp_path: Path, setting: str
) -> None:
    with database.autocommit() as session:
        session.run(f"alter database {database.url.database} set {setting}")
    (tmp_path / "ratings.sql").write_text(
        f"{RATING} from (select timestamptz '2023-02-01 10:00:00.000001-05' as moment) as moments"
    )
    with database.transaction() as transaction:
        [row] = read_source(
            make_config({"source_queries": tmp_path}), transaction, "ratings", SOURCE_RATINGS
        ).to_pylist()
    assert row["rated_at"] == row["updated_at"] == datetime(2023, 2, 1, 15, 0, 0, 1, tzinfo=UTC)
    assert row["rating"] == pytest.approx(4.1000004, abs=1e-7)


def test_texts_of_a_server_in_another_encoding(
    make_config: Callable[..., Config], server: sa.URL, tmp_path: Path
) -> None:
    name = f"latin_{uuid.uuid4().hex}"
    with Database(server.set(database="postgres")).autocommit() as session:
        session.define("create database {name} encoding latin1 locale 'C' template template0", {"name": name})
    (tmp_path / "experiences.sql").write_text(
        "select 1 as experience_id, chr(241) || 'andú' as name, true as is_active, null as available_from,"
        " null as available_until",
        "utf-8",
    )
    with Database(server.set(database=name)).transaction() as transaction:
        config = make_config({"source_queries": tmp_path})
        assert read_source(config, transaction, "experiences", SOURCE_EXPERIENCES)["name"].to_pylist() == ["ñandú"]


def test_timeouts_that_are_set_for_people_do_not_end_a_nights_statements(database: Database) -> None:
    with database.transaction() as transaction:
        names = "'statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout', 'lock_timeout'"
        found = transaction.rows(f"select name from pg_settings where name in ({names})")
        assert len(found) >= 3  # the third came with PostgreSQL 17
        for setting in (row["name"] for row in found):
            transaction.run(f"alter database {database.url.database} set {setting} = '10ms'")
    with database.transaction() as transaction:
        transaction.rows("select pg_sleep(0.1)")
        time.sleep(0.1)
        assert transaction.rows("select 1 as one") == [{"one": 1}]
        assert transaction.rows("show lock_timeout") == [{"lock_timeout": "0"}]
