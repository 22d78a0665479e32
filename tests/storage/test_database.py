"""The database: what commits and what does not, COPY, and errors that say what to do."""

from __future__ import annotations

import io

import psycopg2
import pytest
import sqlalchemy as sa

from recommender_job.errors import ConfigurationError, DatabaseAway, PublicationBusy, SchemaMissing
from recommender_job.storage.database import Database
from recommender_job.storage.paths import sql_folder

ADD = "insert into website.users (user_id) values (:user)"


def users(database: Database) -> list[int]:
    with database.transaction() as transaction:
        return [row["user_id"] for row in transaction.rows("select user_id from website.users order by 1")]


def test_a_block_that_ends_commits(database: Database) -> None:
    with database.transaction() as transaction:
        assert transaction.run(ADD, user=1) == 1
        transaction.run_many(ADD, [{"user": 2}, {"user": 3}])
        transaction.run_many(ADD, [])
        assert users(database) == []
    assert users(database) == [1, 2, 3]
    with database.transaction() as transaction:
        assert transaction.count("website.users") == 3
        assert transaction.row("select user_id from website.users where user_id > :least", least=2) == {"user_id": 3}
        assert transaction.row("select user_id from website.users where user_id > :least", least=3) is None


def test_a_block_that_raises_rolls_back(database: Database) -> None:
    def add_and_fail() -> None:
        with database.transaction() as transaction:
            transaction.run(ADD, user=1)
            raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        add_and_fail()
    assert users(database) == []


def test_a_snapshot_sees_one_moment_and_writes_nothing(database: Database) -> None:
    with database.transaction(snapshot=True) as snapshot:
        assert snapshot.count("website.users") == 0
        with database.transaction() as transaction:
            transaction.run(ADD, user=1)
        assert snapshot.count("website.users") == 0
    with pytest.raises(sa.exc.InternalError, match="read-only transaction"), database.transaction(snapshot=True) as it:
        it.run(ADD, user=2)
    assert users(database) == [1]


def test_autocommit_keeps_what_came_before_a_failure(database: Database) -> None:
    def add_and_fail() -> None:
        with database.autocommit() as session:
            session.run(ADD, user=1)
            session.run("delete from website.nothing")

    with pytest.raises(SchemaMissing, match=r"website\.nothing"):
        add_and_fail()
    assert users(database) == [1]


def test_times_are_utc_and_the_job_is_named(database: Database) -> None:
    with database.transaction() as transaction:
        found = transaction.row("select current_setting('timezone') zone, current_setting('application_name') as name")
    assert found == {"zone": "UTC", "name": "recommender-job"}


@pytest.mark.parametrize(
    ("sql", "cause"),
    [
        ("select 1 from website.guests", 'relation "website.guests" does not exist'),
        ("select nickname from website.users", 'column "nickname" does not exist'),
        ("create table shop.users ()", 'schema "shop" does not exist'),
    ],
)
def test_what_is_not_there_is_named(database: Database, sql: str, cause: str) -> None:
    with pytest.raises(SchemaMissing) as caught, database.transaction() as transaction:
        transaction.run(sql)
    assert caught.value.cause.startswith(f"The database says: {cause}")
    assert caught.value.action == "Run `recommender-job migrate`."
    with pytest.raises(SchemaMissing), database.transaction() as transaction:
        transaction.copy_out("select 1 from website.guests", {}, io.BytesIO())


def test_a_role_that_may_not_is_told_which_grants_it_lacks(database: Database) -> None:
    with pytest.raises(ConfigurationError) as caught, database.transaction() as transaction:
        transaction.run("set local role website_reader; select 1 from recommender.publication")
    assert caught.value.cause == "The database says: permission denied for table publication"
    [named] = caught.value.action.split("`")[1::2]
    assert "grant " in (sql_folder().parent / named).read_text("utf-8")


def test_a_lock_that_is_held_is_told(database: Database) -> None:
    with database.transaction() as holder:
        holder.run("lock table website.users in access exclusive mode")
        with pytest.raises(PublicationBusy, match=r"lock timeout.*Next: Retry"), database.transaction() as other:
            other.run("set local lock_timeout = '50ms'; select 1 from website.users")


def test_a_connection_that_drops_is_told_and_nothing_is_kept(database: Database) -> None:
    def add_and_drop() -> None:
        with database.transaction() as transaction:
            transaction.run(ADD, user=1)
            transaction.rows("select pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(DatabaseAway, match="cannot be reached: "):
        add_and_drop()
    assert users(database) == []


def test_copy_brings_texts_through_unchanged(database: Database) -> None:
    texts = ["plain", 'says "hi"', "two\nlines", "a,b", "", None, "\\N", "\\.", "Ñandú %s :name", "\r\n"]
    table, sink = "website.copied notes", io.BytesIO()
    with database.transaction() as transaction:
        for name in ("website.notes", table):
            transaction.define('create table {table} (id bigint, "a note" text)', {"table": name})
        transaction.run_many(
            "insert into website.notes values (:id, :note)", [{"id": i, "note": note} for i, note in enumerate(texts)]
        )
        query = "select id, \"a note\" from website.notes where id < %(below)s and 'a' like '%%' order by id"
        transaction.copy_out(query, {"below": len(texts)}, sink)
        sink.seek(0)
        assert sink.readline() == b"id,a note\n"
        assert transaction.copy_in(table, ["id", "a note"], sink) == len(texts)
        assert [row["a note"] for row in transaction.rows('select * from website."copied notes" order by id')] == texts


def test_definitions_quote_what_they_are_given(database: Database) -> None:
    hostile = "x\"; drop schema website cascade; --'"
    with database.transaction() as transaction:
        names = {"table": f"website.{hostile}"}
        transaction.define("create table {table} (note text default {note})", names, note=hostile)
        transaction.define("insert into {table} default values", names)
        assert transaction.count(names["table"]) == 1
        assert transaction.count("website.users") == 0


def test_other_mistakes_keep_their_own_error(database: Database) -> None:
    with pytest.raises(sa.exc.IntegrityError), database.transaction() as transaction:
        transaction.run_many(ADD, [{"user": 1}, {"user": 1}])
    with pytest.raises(psycopg2.errors.SyntaxError), database.transaction() as transaction:
        transaction.copy_out("selec", {}, io.BytesIO())
    assert users(database) == []
