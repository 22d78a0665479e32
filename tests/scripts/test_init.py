"""The databases and accounts of the stack, on a real server that asks for passwords: what each account may do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from recommender_job.errors import ConfigurationError
from recommender_job.storage.accounts import ensure_password
from recommender_job.storage.database import Database, plain_url
from recommender_job.storage.schema import check_current
from scripts import init
from scripts.stack import secrets
from scripts.stack.stack import Stack

VIEWS = ["recommender.default_recommendations", "recommender.recommendation_status", "recommender.recommendations"]
PASSWORDS = ("AIRFLOW_DATABASE_PASSWORD", "JOB_PASSWORD", "WEBSITE_PASSWORD")
#: Everything that preparing twice could change, passwords in the form that the server keeps them in.
STATE = """
    select 'role' as kind, to_jsonb(a)::text as what from pg_authid as a
    union all select 'member', to_jsonb(m)::text from pg_auth_members as m
    union all select 'database', (to_jsonb(d) - 'datfrozenxid' - 'datminmxid')::text from pg_database as d
    union all select 'schema', to_jsonb(n)::text from pg_namespace as n where nspname !~ '^pg_'
    union all select 'relation', jsonb_build_array(relname, relacl, relowner)::text from pg_class
    where relkind in ('r', 'v', 'p', 'S')
    order by 1, 2
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[], dict[str, str]]) -> Iterator[Stack]:
    """A stack of which only the database server runs."""
    folder = tmp_path_factory.mktemp("stack")
    secrets.ensure(folder / "env")
    stack = Stack(folder / "stack", folder / "env", {**free_ports(), "SETTINGS_FOLDER": str(folder)})
    try:
        stack.services["postgres"].start()
        stack.wait_healthy("postgres", 30)
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def secrets_of_init(stack: Stack) -> Iterator[dict[str, str]]:
    environment = stack.services["init"].service.environment
    with pytest.MonkeyPatch.context() as patch:
        for name in PASSWORDS:
            patch.setenv(name, environment[name])
        yield environment


@pytest.fixture(scope="module")
def administrator(stack: Stack, secrets_of_init: dict[str, str]) -> Database:
    """The job's database as the superuser, prepared."""
    database = database_at(secrets_of_init["RECOMMENDER_DATABASE_URL"])
    init.prepare_databases(database)
    return database


@pytest.fixture(scope="module")
def job(stack: Stack, administrator: Database) -> Database:
    """The job's database, as the services of Airflow are told to connect to it."""
    return database_at(stack.services["airflow-scheduler"].service.environment["RECOMMENDER_DATABASE_URL"])


@pytest.fixture(scope="module")
def website(administrator: Database, secrets_of_init: dict[str, str]) -> Database:
    return Database(administrator.url.set(username="website", password=secrets_of_init["WEBSITE_PASSWORD"]))


@pytest.fixture(scope="module")
def metadata(stack: Stack, administrator: Database) -> Database:
    """Airflow's database, as Airflow is told to connect to it."""
    return database_at(stack.services["airflow-scheduler"].service.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])


def database_at(url: str) -> Database:
    import sqlalchemy as sa

    return Database(sa.make_url(url).set(drivername="postgresql+psycopg2"))


def state(database: Database) -> list[dict[str, Any]]:
    with database.transaction() as transaction:
        return transaction.rows(STATE)


def refused(database: Database, statement: str) -> None:
    with pytest.raises(ConfigurationError, match=r"permission denied|must be"), database.transaction() as transaction:
        transaction.run(statement)


def cannot_connect(database: Database, name: str, why: str) -> None:
    with pytest.raises(psycopg2.OperationalError, match=why):
        psycopg2.connect(plain_url(database.url.set(database=name)))


def test_the_schema_is_there_and_preparing_again_changes_nothing(administrator: Database) -> None:
    check_current(administrator)
    before = state(administrator)
    assert len(before) > 50
    init.prepare_databases(administrator)
    assert state(administrator) == before


def test_no_account_but_the_superuser_may_more_than_log_in(administrator: Database) -> None:
    with administrator.transaction() as transaction:
        roles = transaction.rows(
            "select rolname::text as name, rolcanlogin as login,"
            " rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls as mighty"
            " from pg_roles where rolname !~ '^pg_' order by 1"
        )
    assert [role["name"] for role in roles if role["mighty"]] == ["postgres"]
    assert [role["name"] for role in roles if role["login"]] == ["airflow", "job", "postgres", "website"]


@pytest.mark.parametrize("account", ["airflow", "job", "website", "postgres"])
@pytest.mark.parametrize("password", ["wrong", ""])
def test_nobody_comes_in_without_the_password(administrator: Database, account: str, password: str) -> None:
    database = Database(administrator.url.set(username=account, password=password))
    cannot_connect(database, "airflow" if account == "airflow" else "recommender", "password")


def test_the_job_works_in_its_schema_and_reads_the_source(job: Database) -> None:
    check_current(job)
    with job.transaction() as transaction:
        assert transaction.row("select current_user::text as me") == {"me": "job"}
        assert transaction.count("website.ratings") == 0
        assert transaction.run("insert into recommender.erasure (user_id, receipt) values (1, '{}')") == 1
        assert transaction.run("delete from recommender.erasure") == 1


@pytest.mark.parametrize(
    "statement",
    [
        "select rolpassword from pg_authid",
        "insert into website.users values (7)",
        "create table public.mine (a int)",
        "create schema mine",
        "create temporary table mine (a int)",
        "create role mine",
        "set role website_reader",
        "create database mine",
        "drop view recommender.recommendations",
    ],
)
def test_the_job_may_nothing_else(job: Database, statement: str) -> None:
    if statement.startswith("create database"):
        with pytest.raises(ConfigurationError, match="permission denied"), job.autocommit() as session:
            session.run(statement)
    else:
        refused(job, statement)


def test_the_website_reads_the_three_views_and_nothing_else(website: Database) -> None:
    with website.transaction() as transaction:
        readable = transaction.rows(
            "select n.nspname || '.' || c.relname as name from pg_class as c"
            " inner join pg_namespace as n on c.relnamespace = n.oid"
            " where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"
            " and c.relkind in ('r', 'p', 'v', 'm', 'f')"
            " and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select') order by 1"
        )
        assert [row["name"] for row in readable] == VIEWS
        assert [transaction.count(view) for view in VIEWS] == [0, 0, 0]
    refused(website, "select * from recommender.recommendation")
    refused(website, "insert into recommender.recommendations (user_id) values (1)")
    refused(website, "create table public.mine (a int)")


def test_airflow_has_its_own_database_and_no_other(metadata: Database) -> None:
    with metadata.transaction() as transaction:
        assert transaction.row("select current_user::text as me") == {"me": "airflow"}
        transaction.run("create table mine (a int)")
        transaction.run("drop table mine")
    cannot_connect(metadata, "recommender", "permission denied for database")


def test_nobody_else_comes_into_airflows_database(job: Database, website: Database) -> None:
    for database in (job, website):
        cannot_connect(database, "airflow", "permission denied for database")


def test_a_new_password_is_taken_over_and_the_old_one_is_not_kept(
    administrator: Database, website: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = website.url.password
    monkeypatch.setenv("WEBSITE_PASSWORD", "a-new-one")
    init.prepare_databases(administrator)
    with Database(website.url.set(password="a-new-one")).transaction() as transaction:
        assert transaction.count(VIEWS[0]) == 0
    cannot_connect(website, "recommender", "password")
    monkeypatch.setenv("WEBSITE_PASSWORD", str(old))
    init.prepare_databases(administrator)
    with website.transaction() as transaction:
        assert transaction.count(VIEWS[0]) == 0


def test_the_server_never_sees_a_password(stack: Stack, administrator: Database) -> None:
    with administrator.transaction() as transaction:
        transaction.run("create role somebody")
        transaction.run("set local log_statement = 'all'")
        assert ensure_password(transaction, "somebody", "a-password-to-look-for")
        assert not ensure_password(transaction, "somebody", "a-password-to-look-for")
        assert ensure_password(transaction, "somebody", "another")
        transaction.run("drop role somebody")
    log = stack.log("postgres").read_text()
    assert "alter role" in log
    assert "SCRAM-SHA-256$4096:" in log
    assert "a-password-to-look-for" not in log


def test_a_missing_password_is_named(administrator: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOB_PASSWORD")
    with pytest.raises(ConfigurationError, match="JOB_PASSWORD"):
        init.prepare_databases(administrator)


def test_the_passwords_of_airflows_users_are_for_its_own_account_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "airflow" / "passwords.json"
    for name in init.USERS.values():
        monkeypatch.setenv(name, f"of-{name}")
    init.write_passwords(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_text()) == {
        "admin": "of-AIRFLOW_ADMIN_PASSWORD",
        "ops": "of-AIRFLOW_OPS_PASSWORD",
        "looker": "of-AIRFLOW_LOOKER_PASSWORD",
    }
    before = file.stat()
    init.write_passwords(file)
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns), "the same file"
    monkeypatch.setenv("AIRFLOW_OPS_PASSWORD", "changed")
    init.write_passwords(file)
    assert '"ops": "changed"' in file.read_text()
