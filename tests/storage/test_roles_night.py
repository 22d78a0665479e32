"""Least rights: the job's two roles are enough for all it does, and what each of the three roles may not do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import psycopg2.errors
import pytest
import sqlalchemy as sa

from recommender_job import nightly
from recommender_job.config import Config
from recommender_job.publishing.pruning import prune
from recommender_job.publishing.publications import lists_of, publications, rollback, status
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.importer import import_ratings
from recommender_job.ratings.sample import sample_ratings
from recommender_job.runs import Run
from recommender_job.storage import partitions
from recommender_job.storage.database import Database, plain_url

NIGHT = datetime(2024, 1, 1, tzinfo=UTC)
#: The gate is not what this is about: it lets a toy model pass.
SETTINGS = {
    "model.epochs": 2,
    "model.dense": False,
    "model.embedding_dimension": 4,
    "gate.significance": 0.01,
    "gate.max_rmse": 9,
    "gate.max_list_loss": 1,
    "gate.min_personal_lists": 0,
    "gate.min_distinct_lists": 0,
    "gate.max_exposure": 1,
    "top_n": 5,
}

#: What nobody may do who has one of the roles only.
NOBODY = [
    "create role mine",
    "create database mine",
    "create schema mine",
    "create table public.mine (a int)",
    "create table website.mine (a int)",
    "drop schema website cascade",
    "drop schema recommender cascade",
    "drop view recommender.recommendations",
    "create or replace view recommender.recommendations as select 1",
    "alter table recommender.publication add column mine int",
    "drop table recommender.publication",
    "truncate recommender.publication",
    "insert into website.users (user_id) values (1)",
    "update website.ratings set rating = 5",
    "delete from website.experiences",
    "truncate website.ratings",
    "lock table website.ratings in access exclusive mode",
    "select pg_read_file('/etc/passwd')",
    "select rolpassword from pg_authid",
    "copy (select 1) to program 'cat'",
    "copy (select 1) to '/tmp/mine'",
    "alter system set log_statement = 'none'",
    "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'postgres' and pid <> pg_backend_pid()",
    "set role postgres",
]
#: Every table of the source, and all that the job keeps.
SOURCE = [
    "website.users", "website.experiences", "website.ratings", "website.deleted_ratings", "website.do_not_recommend",
    "website.experience_rules", "website.experience_spellings",
]  # fmt: skip
BOOKS = [
    "recommender.recommendation", "recommender.recommendation_999", "recommender.default_recommendation",
    "recommender.publication", "recommender.active_publication", "recommender.extraction", "recommender.quarantine",
    "recommender.imported_file", "recommender.profile", "recommender.erasure", "recommender.schema_version",
    "recommender.night",
]  # fmt: skip
VIEWS = [
    "recommender.recommendations", "recommender.default_recommendations", "recommender.recommendation_status"
]  # fmt: skip


def reading(tables: list[str]) -> list[str]:
    return [f"select count(*) from {table}" for table in tables]


FORBIDDEN = {
    "website_reader": [
        *NOBODY, *reading([*SOURCE, *BOOKS]), "create table recommender.mine (a int)", "set role recommender_reader",
        "set role recommender_writer", "update recommender.active_publication set publication_id = 1",
        "delete from recommender.recommendations", "update recommender.default_recommendations set rank = 1",
        "grant select on website.ratings to public",
        "select nextval('recommender.publication_publication_id_seq')",
        "copy recommender.recommendation to stdout",
    ],
    "recommender_reader": [
        *NOBODY, *reading([*BOOKS, *VIEWS, "website.experience_spellings"]), "create table recommender.mine (a int)",
        "set role recommender_writer", "set role website_reader",
        "insert into recommender.extraction select * from recommender.extraction",
        "delete from recommender.quarantine", "select nextval('website.experiences_experience_id_seq')",
    ],
    "recommender_writer": [
        *NOBODY, *reading(SOURCE), "set role recommender_reader", "set role website_reader",
        "grant select on website.ratings to public",
        "alter schema recommender rename to mine", "alter role recommender_writer login",
        "grant recommender_reader to current_user", "select nextval('website.experiences_experience_id_seq')",
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def accounts(server: sa.URL) -> Iterator[dict[str, str]]:
    """By set of roles, an account that is a member of them and has nothing else."""
    names = {roles: f"account of {roles}" for roles in [*FORBIDDEN, "recommender_reader, recommender_writer"]}
    everywhere = Database(server)
    with everywhere.transaction() as transaction:
        for roles, name in names.items():
            transaction.define("create role {name} login", {"name": name})
            for role in roles.split(", "):
                transaction.define("grant {role} to {name}", {"name": name, "role": role})
    yield names
    with everywhere.transaction() as transaction:
        for name in names.values():
            transaction.define("drop role {name}", {"name": name})


def test_the_jobs_two_roles_are_enough_for_all_it_does(
    accounts: dict[str, str], database: Database, make_config: Callable[..., Config], tmp_path: Path
) -> None:
    sample_ratings(60, 20, seed=1).to_csv(tmp_path / "ratings.csv", index=False)
    import_ratings(database, tmp_path / "ratings.csv", Columns(), now=NIGHT, scale=(1, 5))
    job = Database(database.url.set(username=accounts["recommender_reader, recommender_writer"]))
    config = make_config({**SETTINGS, "database_url": plain_url(job.url)})
    nights = [nightly.run_night(config, Run.at(NIGHT + timedelta(days=day))) for day in range(2)]
    assert [night["published"] for night in nights] == [True, True]
    first, second = (night["publication_id"] for night in nights)
    assert status(job)["publication_id"] == second
    assert f"Publication {second} beside {first}" in nightly.report_html(config, nights[1]["run_id"])
    with job.transaction() as transaction:
        assert transaction.count("recommender.night") == 2
    assert rollback(job) == {"publication_id": first, "previous": second}
    assert rollback(job, second) == {"publication_id": second, "previous": first}
    third = nightly.run_night(config, Run.at(NIGHT + timedelta(days=2)))
    assert third["publication_id"] == second + 1
    assert prune(job, keep=1) == [first]
    assert [row["publication_id"] for row in publications(job)] == [second + 1, second]
    with job.transaction() as transaction:
        user = transaction.rows("select min(user_id) as user_id from recommender.recommendations")[0]["user_id"]
    assert lists_of(job, user)["source"] == "model"


@pytest.fixture
def published(database: Database) -> Database:
    """A database in which every relation is there, also a partition."""
    with database.transaction() as transaction:
        partitions.create(transaction, 999)
        partitions.attach(transaction, 999)
    return database


@pytest.mark.parametrize("role", FORBIDDEN)
def test_what_a_role_may_not_do(published: Database, accounts: dict[str, str], role: str) -> None:
    connection = psycopg2.connect(plain_url(published.url.set(username=accounts[role])))
    allowed = []
    try:
        for statement in FORBIDDEN[role]:
            connection.autocommit = statement.startswith(("create database", "alter system"))
            try:
                with connection.cursor() as cursor:
                    cursor.execute(statement)
                    allowed.append(statement)
            except psycopg2.errors.InsufficientPrivilege:
                pass
            except psycopg2.Error as error:
                allowed.append(f"{statement}: {error}")
            connection.rollback()
    finally:
        connection.close()
    assert allowed == []


def test_no_relation_is_left_out_above(published: Database) -> None:
    with published.transaction() as transaction:
        rows = transaction.rows(
            "select n.nspname || '.' || c.relname as name from pg_class as c"
            " inner join pg_namespace as n on c.relnamespace = n.oid"
            " where n.nspname in ('website', 'recommender') and c.relkind in ('r', 'p', 'v', 'm', 'f')"
        )
    assert sorted(row["name"] for row in rows) == sorted([*SOURCE, *BOOKS, *VIEWS])
