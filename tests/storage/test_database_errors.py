"""Errors and URLs that are easily got wrong: none tells the password, none is hidden behind another."""

from __future__ import annotations

import io
import pickle

import pytest
import sqlalchemy as sa

from recommender_job.config import load_config
from recommender_job.errors import (
    ConfigurationError,
    DatabaseAway,
    RecommenderError,
    SchemaMissing,
    StorageFailed,
    in_short,
)
from recommender_job.storage.database import Database, database_url, plain_url

PASSWORD = "hunter2-correct-horse"


def url_of(text: str) -> sa.URL:
    return database_url(load_config({"database_url": text}))


def test_errors_of_the_caller_pass_unchanged(database: Database) -> None:
    mine = SchemaMissing("mine", action="do it")
    with pytest.raises(SchemaMissing) as caught, database.transaction():
        raise mine
    assert caught.value is mine


def test_a_password_with_an_at_sign_that_was_not_escaped() -> None:
    """Part of the password then stands where the host should; no message may show it."""
    with (
        pytest.raises(RecommenderError) as caught,
        Database(url_of(f"postgresql://job:a@{PASSWORD}@127.0.0.1:1/shop")).transaction(),
    ):
        pytest.fail("connected to a server that is not there")
    for text in (str(caught.value), repr(caught.value), str(pickle.loads(pickle.dumps(caught.value)))):
        assert PASSWORD not in text


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2", "postgresql+psycopg"])
def test_every_way_to_write_the_scheme_gives_the_same_url(scheme: str) -> None:
    url = url_of(f"{scheme}://job:{PASSWORD}@host:5433/shop?sslmode=require")
    assert url.drivername == "postgresql+psycopg2"
    assert plain_url(url) == f"postgresql://job:{PASSWORD}@host:5433/shop?sslmode=require"


def test_an_option_that_the_driver_does_not_know() -> None:
    with (
        pytest.raises(ConfigurationError) as caught,
        Database(url_of("postgresql://127.0.0.1:1/x?colour=red")).transaction(),
    ):
        pytest.fail("connected to a server that is not there")
    assert "colour" in caught.value.cause


def test_a_statement_that_the_database_ended_is_told_as_such(database: Database) -> None:
    with pytest.raises(DatabaseAway, match="ended the statement: canceling"), database.transaction() as transaction:
        transaction.rows("set local statement_timeout = '10ms'; select pg_sleep(5)")


def test_a_server_that_only_reads_is_away(database: Database) -> None:
    with pytest.raises(DatabaseAway, match="can only be read") as caught, database.transaction() as transaction:
        transaction.rows("set transaction read only; create table mine (a int)")
    assert "standby" in caught.value.action


def test_no_row_is_told_that_was_being_copied(database: Database) -> None:
    with database.transaction() as transaction:
        transaction.run(
            "create function recommender.packed() returns trigger language plpgsql as $$ begin raise exception"
            " 'could not extend file' using errcode = '53100', hint = 'Check free disk space.'; end $$"
        )
        transaction.run("create table recommender.packed (user_id bigint, rank int, experience_id bigint)")
        transaction.run(
            "create trigger packed before insert on recommender.packed for each row"
            " execute function recommender.packed()"
        )
    with pytest.raises(StorageFailed) as caught, database.transaction() as transaction:
        transaction.copy_in("recommender.packed", ["user_id", "rank", "experience_id"], io.BytesIO(b"42,1,7\n"))
    assert caught.value.cause == "The database says: could not extend file Check free disk space."


def test_of_a_statement_no_parameter_is_told(database: Database) -> None:
    with pytest.raises(SchemaMissing) as caught, database.transaction() as transaction:
        transaction.rows("select * from nothing where user_id = :user", user=42)
    assert caught.value.cause == 'The database says: relation "nothing" does not exist'
    with database.transaction() as transaction:
        transaction.run("create table recommender.small (user_id bigint check (user_id < 9))")
    with pytest.raises(sa.exc.IntegrityError) as refused, database.transaction() as transaction:
        transaction.run("insert into recommender.small values (:user)", user=42)
    assert "parameters: {" not in str(refused.value)
    assert "42" not in in_short(refused.value)
