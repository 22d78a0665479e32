"""What goes wrong between the job and its database: each error says what to do, none tells the password."""

from __future__ import annotations

import pickle

import pytest
import sqlalchemy as sa

from recommender_job.config import load_config
from recommender_job.errors import (
    ConfigurationError,
    DatabaseAway,
    PublicationBusy,
    RecommenderError,
    SchemaMissing,
)
from recommender_job.storage.database import Database, database_url, plain_url

PASSWORD = "hunter2-correct-horse"


def url_of(text: str) -> sa.URL:
    return database_url(load_config({"database_url": text}))


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("select * from recommender.nowhere", 'relation "recommender.nowhere" does not exist'),
        ("select nothing from website.users", 'column "nothing" does not exist'),
        ("create table elsewhere.t (a int)", 'schema "elsewhere" does not exist'),
    ],
)
def test_what_is_missing_is_named(database: Database, statement: str, told: str) -> None:
    with pytest.raises(SchemaMissing) as caught, database.transaction() as transaction:
        transaction.run(statement)
    assert told in caught.value.cause
    assert caught.value.action == "Run `recommender-job migrate`."


def test_what_the_role_may_not_do(database: Database) -> None:
    with pytest.raises(ConfigurationError) as caught, database.transaction() as transaction:  # noqa: PT012
        transaction.run("set local role website_reader")
        transaction.rows("select * from website.users")
    assert "permission denied" in caught.value.cause
    assert "Grant" in caught.value.action


def test_a_lock_that_is_not_to_be_had(database: Database) -> None:
    with database.transaction() as holder:
        holder.run("lock table website.users in access exclusive mode")
        with pytest.raises(PublicationBusy) as caught, database.transaction() as transaction:  # noqa: PT012
            transaction.run("set local lock_timeout = 50")
            transaction.count("website.users")
    assert "lock timeout" in caught.value.cause


def test_a_connection_that_is_cut(database: Database) -> None:
    with pytest.raises(DatabaseAway) as caught, database.transaction() as transaction:  # noqa: PT012
        transaction.run("insert into website.users values (1)")
        transaction.run("select pg_terminate_backend(pg_backend_pid())")
    assert "server closed the connection" in caught.value.cause or "terminating connection" in caught.value.cause
    with database.transaction() as transaction:  # the next one connects afresh
        assert transaction.count("website.users") == 0


def test_errors_of_the_caller_pass_unchanged(database: Database) -> None:
    mine = SchemaMissing("mine", action="do it")
    with pytest.raises(SchemaMissing) as caught, database.transaction():
        raise mine
    assert caught.value is mine


def test_a_server_that_is_away() -> None:
    url = url_of(f"postgresql://job:{PASSWORD}@127.0.0.1:1/shop")
    with pytest.raises(DatabaseAway) as caught, Database(url).transaction():
        pytest.fail("connected to a server that is not there")
    assert "Connection refused" in caught.value.cause
    assert "database_url" in caught.value.action
    for text in (str(caught.value), repr(caught.value), str(pickle.loads(pickle.dumps(caught.value)))):
        assert PASSWORD not in text


def test_a_database_that_is_not_there(server: sa.URL) -> None:
    nowhere = Database(server.set(database="nowhere"))
    with pytest.raises(RecommenderError, match='database "nowhere" does not exist'), nowhere.transaction():
        pytest.fail("connected to a database that is not there")


def test_a_password_with_an_at_sign_that_was_not_escaped() -> None:
    """Part of the password then stands where the host should; no message may show it."""
    with (
        pytest.raises(RecommenderError) as caught,
        Database(url_of(f"postgresql://job:a@{PASSWORD}@127.0.0.1:1/shop")).transaction(),
    ):
        pytest.fail("connected to a server that is not there")
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        PASSWORD,
        f"postgresql://job:{PASSWORD}@host:port/shop",
        f"mysql://job:{PASSWORD}@host/shop",
        f"sqlite:///{PASSWORD}",
        f"{PASSWORD}://",
        "",
    ],
)
def test_a_url_that_is_none_of_postgresql(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        url_of(text)
    assert caught.value.cause == "`database_url` is not a PostgreSQL URL."
    assert caught.value.action == "Write postgresql://user:password@host:5432/database."
    assert PASSWORD not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


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
