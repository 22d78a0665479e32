"""The schema: migrating, refusing another version, and what each role may see."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from typing import Any

import pytest
import sqlalchemy as sa

from recommender_job.errors import ConfigurationError, PublicationBusy, SchemaMissing
from recommender_job.storage import partitions, schema
from recommender_job.storage.database import Database

VIEWS = {
    "recommender.recommendations",
    "recommender.default_recommendations",
    "recommender.recommendation_status",
}
SOURCE = {
    "website.users",
    "website.experiences",
    "website.ratings",
    "website.deleted_ratings",
    "website.do_not_recommend",
    "website.experience_rules",
}
RELATIONS = """
    select c.oid, n.nspname || '.' || c.relname as name, c.relkind::text as kind
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname in ('recommender', 'website') order by c.oid
"""


@pytest.fixture
def bare(server: sa.URL) -> Database:
    name = f"bare_{uuid.uuid4().hex}"
    with Database(server.set(database="postgres")).autocommit() as session:
        session.define("create database {name}", {"name": name})
    return Database(server.set(database=name))


def relations(database: Database) -> list[dict[str, Any]]:
    with database.transaction() as transaction:
        return transaction.rows(RELATIONS)


def tables(database: Database) -> set[str]:
    return {row["name"] for row in relations(database) if row["kind"] in "rpvm"}


def readable(database: Database, role: str) -> set[str]:
    found = set()
    for name in tables(database):
        with contextlib.suppress(ConfigurationError), database.transaction() as transaction:
            transaction.define("set local role {role}", {"role": role})
            transaction.count(name)
            found.add(name)
    return found


def writable(database: Database, role: str) -> set[str]:
    rights = "insert, update, delete, truncate, references, trigger"
    query = "select has_table_privilege(:role, cast(:oid as oid), :rights) as may"
    with database.transaction() as transaction:
        return {
            row["name"]
            for row in transaction.rows(RELATIONS)
            if row["kind"] in "rpv" and transaction.rows(query, role=role, oid=row["oid"], rights=rights)[0]["may"]
        }


def publish_one(database: Database) -> None:
    with database.transaction() as transaction:
        partitions.create(transaction, 1)
        partitions.attach(transaction, 1)


def test_migrating_a_bare_database_makes_it_current(bare: Database) -> None:
    assert schema.migrate(bare) == {"revision": "0008"}
    schema.check_current(bare)
    assert tables(bare) == VIEWS | SOURCE | {
        "website.experience_spellings",
        "recommender.schema_version",
        "recommender.extraction",
        "recommender.quarantine",
        "recommender.imported_file",
        "recommender.profile",
        "recommender.erasure",
        "recommender.night",
        "recommender.publication",
        "recommender.active_publication",
        "recommender.recommendation",
        "recommender.default_recommendation",
    }


def test_migrating_again_changes_nothing(database: Database) -> None:
    with database.transaction() as transaction:
        transaction.run("insert into website.users (user_id) values (7)")
    before = relations(database)
    assert schema.migrate(database) == {"revision": "0008"}
    assert relations(database) == before
    with database.transaction() as transaction:
        assert transaction.rows("select user_id from website.users") == [{"user_id": 7}]
        assert transaction.rows("select version_num from recommender.schema_version") == [{"version_num": "0008"}]


def test_a_migration_that_fails_leaves_the_database_bare(bare: Database) -> None:
    with bare.transaction() as transaction:
        transaction.run("create schema website")
    with pytest.raises(ConfigurationError, match='schema "website" already exists'):
        schema.migrate(bare)
    assert relations(bare) == []


def test_who_migrates_beside_a_publication_holds_up_no_reader(database: Database) -> None:
    with database.transaction() as transaction:
        transaction.run("alter table recommender.publication drop column live_before")
        transaction.run("update recommender.schema_version set version_num = '0007'")
    failed: list[PublicationBusy] = []

    def migrate() -> None:
        try:
            schema.migrate(database, patience_seconds=0)
        except PublicationBusy as error:
            failed.append(error)

    with database.transaction() as publisher:
        publisher.run("update recommender.publication set rows = rows")
        migrator = threading.Thread(target=migrate, daemon=True)
        migrator.start()
        waiting = (
            "select count(*) as n from pg_locks where not granted and relation = 'recommender.publication'::regclass"
        )
        while migrator.is_alive() and publisher.rows(waiting)[0]["n"] == 0:
            time.sleep(0.01)
        assert migrator.is_alive()
        with database.transaction() as reader:  # waits behind the migrator, but not until the publisher ends
            reader.run("set local statement_timeout = '20s'")
            assert reader.rows("select * from recommender.recommendation_status") == []
        migrator.join(20)
    assert "lock timeout" in failed[0].cause
    assert schema.migrate(database) == {"revision": "0008"}


def test_an_unmigrated_database_is_refused(bare: Database) -> None:
    with pytest.raises(SchemaMissing) as caught:
        schema.check_current(bare)
    assert caught.value.cause == "The database's schema version is none, this job needs 0008."
    assert caught.value.action == "Run `recommender-job migrate`."


def test_an_older_schema_is_refused(database: Database) -> None:
    with database.transaction() as transaction:
        transaction.run("update recommender.schema_version set version_num = '0003'")
    with pytest.raises(SchemaMissing, match=r"version is 0003, this job needs 0008\. Next: Run `recommender-job migr"):
        schema.check_current(database)


@pytest.mark.parametrize("work", [schema.check_current, schema.migrate])
def test_a_newer_schema_is_refused(database: Database, work: Any) -> None:
    with database.transaction() as transaction:
        transaction.run("update recommender.schema_version set version_num = '9999'")
    with pytest.raises(SchemaMissing, match="schema version is 9999, this job knows 0008 at most") as caught:
        work(database)
    assert "restore the backup" in caught.value.action


def test_the_website_reads_three_views_and_nothing_else(database: Database) -> None:
    publish_one(database)
    assert partitions.partition_of(1) in tables(database)
    assert readable(database, "website_reader") == VIEWS
    assert writable(database, "website_reader") == set()


def test_the_jobs_reader_reads_the_source_and_not_the_jobs_own_schema(database: Database) -> None:
    publish_one(database)
    assert readable(database, "recommender_reader") == SOURCE
    assert writable(database, "recommender_reader") == set()


def test_the_jobs_writer_writes_its_own_schema_only(database: Database) -> None:
    assert {name.split(".")[0] for name in readable(database, "recommender_writer")} == {"recommender"}
    assert {name.split(".")[0] for name in writable(database, "recommender_writer")} == {"recommender"}


def test_the_jobs_writer_can_publish_and_clean_up(database: Database) -> None:
    with database.transaction() as transaction:
        transaction.run("set local role recommender_writer")
        table = partitions.create(transaction, 5)
        partitions.attach(transaction, 5)
        assert transaction.count(table) == 0
        transaction.define(
            "alter table {parent} detach partition {table}", {"parent": partitions.PARENT, "table": table}
        )
        transaction.define("drop table {table}", {"table": table})


def test_no_role_can_log_in(database: Database) -> None:
    with database.transaction() as transaction:
        rows = transaction.rows(
            "select rolname, rolcanlogin from pg_roles where rolname ~ '_(reader|writer)$' order by 1"
        )
    assert rows == [
        {"rolname": name, "rolcanlogin": False}
        for name in ("recommender_reader", "recommender_writer", "website_reader")
    ]
