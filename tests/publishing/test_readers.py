"""What people reading the views notice of a publication: nothing but fresher lists."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg2.errors
import pytest

from benchmarks.contract import list_statement
from recommender_job.publishing.activate import activate
from tests.publishing.plans import nodes

VIEW = "select user_id, rank, experience_id, publication_id from recommender.recommendations"


def publish_within(seconds: float, website: Any, run_id: str, **settings: Any) -> None:
    """Publishes, and fails when that waits for somebody, rather than waiting along."""
    done: list[Any] = []
    publisher = threading.Thread(target=lambda: done.append(website.publish(run_id, **settings)), daemon=True)
    publisher.start()
    publisher.join(seconds)
    assert done, "the publication waits for a reader"


def test_one_users_list_is_one_probe_of_one_partitions_index(website: Any) -> None:
    for day in range(3):
        website.publish(f"night {day}", days=day)
    user = website.shown()[0]["user_id"]
    with website.database.transaction() as transaction:
        # A table of some hundred rows is read as a whole otherwise, which says nothing about a large one.
        transaction.run("set local enable_seqscan = off")
        sql = f"explain (analyze, format json) {VIEW} where user_id = {int(user)} order by rank"
        plan = transaction.rows(sql)[0]["QUERY PLAN"][0]["Plan"]
    scans = [node for node in nodes(plan) if str(node.get("Relation Name", "")).startswith("recommendation_")]
    executed = [node for node in scans if node["Actual Loops"] > 0]
    assert [node["Relation Name"] for node in executed] == ["recommendation_3"]
    assert executed[0]["Node Type"] in ("Index Scan", "Bitmap Heap Scan")
    indexed = [node for node in nodes(plan) if "user_id" in str(node.get("Index Cond", "")) and node["Actual Loops"]]
    assert len(indexed) == 1
    assert plan["Actual Rows"] == 5


def test_every_partition_has_its_index(website: Any) -> None:
    website.publish()
    found = website.values("select indexdef from pg_indexes where tablename = 'recommendation_1'")
    assert len(found) == 1
    assert found[0].startswith("CREATE UNIQUE INDEX")
    assert found[0].endswith("(user_id, rank)")


def test_a_reader_in_a_transaction_neither_waits_nor_holds_up_a_publication(website: Any, connect: Any) -> None:
    website.publish("first")
    reader = connect()
    cursor = reader.cursor()
    cursor.execute("set statement_timeout = '5s'")
    cursor.execute(VIEW)
    before = cursor.fetchall()
    assert {row[3] for row in before} == {1}
    # The reader's transaction stays open while the next night is published, which must not take long.
    publish_within(20, website, "second", days=1)
    # The same transaction reads on, now from the new publication, and from it alone.
    cursor.execute(VIEW)
    after = cursor.fetchall()
    assert {row[3] for row in after} == {2}
    assert sorted(row[:3] for row in after) == sorted(row[:3] for row in before)


def test_a_reader_with_a_snapshot_keeps_seeing_the_publication_it_began_with(website: Any, connect: Any) -> None:
    website.publish("first")
    reader = connect()
    cursor = reader.cursor()
    cursor.execute("set transaction isolation level repeatable read")
    cursor.execute(VIEW)
    before = cursor.fetchall()
    publish_within(20, website, "second", days=1)
    cursor.execute(VIEW)
    assert cursor.fetchall() == before


@pytest.mark.parametrize("run_id", ["first", "second"])
def test_a_snapshot_that_has_only_read_the_status_finds_its_lists(website: Any, connect: Any, run_id: str) -> None:
    """A rerun, and a night where one publication is kept: what was live a moment ago is still there."""
    website.publish("first", keep_publications=1)
    user = website.shown()[0]["user_id"]
    cursor = connect().cursor()
    cursor.execute("set transaction isolation level repeatable read")
    cursor.execute("select publication_id from recommender.recommendation_status")
    assert cursor.fetchall() == [(1,)]
    publish_within(20, website, run_id, days=1, keep_publications=1)
    assert website.active() == 2
    cursor.execute(list_statement("%(user_id)s"), {"user_id": user})
    names = [column.name for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    assert [(row["source"], row["publication_id"]) for row in rows] == [("model", 1)] * 5


def test_a_reader_is_not_held_up_while_a_publication_is_being_loaded(website: Any, connect: Any) -> None:
    """The publisher's transaction, with all its locks, is still open while the reader reads."""
    from recommender_job.publishing.publications import lock, switch
    from recommender_job.storage import partitions

    website.publish("first")
    reader = connect()
    cursor = reader.cursor()
    cursor.execute("set statement_timeout = '5s'")
    with website.database.transaction() as transaction:
        lock(transaction)
        new = transaction.rows(
            "insert into recommender.publication"
            " (run_id, model_version, data_through, fresh_hours, users, rows, top_n, rmse)"
            " select 'second', model_version, data_through, fresh_hours, users, rows, top_n, rmse"
            " from recommender.publication returning publication_id"
        )[0]["publication_id"]
        partitions.create(transaction, new)
        partitions.attach(transaction, new)
        switch(transaction, new)
        cursor.execute(VIEW)
        assert {row[3] for row in cursor.fetchall()} == {1}
        cursor.execute("select publication_id from recommender.recommendation_status")
        assert cursor.fetchall() == [(1,)]
        reader.rollback()
    cursor.execute("select publication_id from recommender.recommendation_status")
    assert cursor.fetchall() == [(new,)]


def eventually(ready: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def publish_directly(website: Any) -> None:
    website.publish("second", days=1)


def publish_after_a_dry_run(website: Any) -> None:
    activate(website.database, website.publish("second", days=1, dry_run=True)["publication_id"])


@pytest.mark.parametrize("publish", [publish_directly, publish_after_a_dry_run])
def test_a_statement_planned_before_a_publication_finds_a_list(website: Any, connect: Any, publish: Any) -> None:
    """PostgreSQL plans a statement and takes its snapshot a moment later; here that moment is made long."""
    website.publish("first")
    user = website.shown()[0]["user_id"]
    gate, reader = connect(), connect()
    gate.cursor().execute("select pg_advisory_lock(7)")
    # Told to be immutable, it is called while the statement is planned: after its part on the lists has been.
    reader.cursor().execute(
        "create function stand_still() returns boolean immutable language plpgsql"
        " as 'begin perform pg_advisory_xact_lock_shared(7); return true; end'"
    )
    reader.commit()
    statement = list_statement("%(user_id)s").replace("from own)", "from own) and stand_still()")
    assert "stand_still" in statement
    rows: list[Any] = []

    def read() -> None:
        cursor = reader.cursor()
        cursor.execute(statement, {"user_id": user})
        rows.extend(cursor.fetchall())
        reader.commit()

    asking = threading.Thread(target=read, daemon=True)
    asking.start()
    standing = "select count(*) from pg_locks where locktype = 'advisory' and objid = 7 and not granted"
    eventually(lambda: website.values(standing) == [1], "nobody plans")
    publisher = threading.Thread(target=publish, args=(website,), daemon=True)
    publisher.start()
    attached = "select count(*) from pg_inherits where inhparent = 'recommender.recommendation'::regclass"
    waiting = (
        "select count(*) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()"
        " and query like 'select distinct virtualtransaction%'"
    )
    eventually(
        lambda: website.values(attached) == [2] and (not publisher.is_alive() or website.values(waiting) == [1]),
        "the publication neither waits nor happens",
    )
    gate.cursor().execute("select pg_advisory_unlock(7)")
    asking.join(60)
    publisher.join(60)
    assert [row[4] for row in rows] == ["model"] * 5
    assert website.active() == 2


@pytest.mark.parametrize("view", ["recommendations", "default_recommendations", "recommendation_status"])
def test_the_website_may_read_the_views(website: Any, connect: Any, view: str) -> None:
    website.publish()
    cursor = connect().cursor()
    cursor.execute("set role website_reader")
    cursor.execute(f"select count(*) from recommender.{view}")
    assert cursor.fetchone()[0] > 0


@pytest.mark.parametrize("table", ["recommendation", "publication", "active_publication", "quarantine"])
def test_the_website_may_read_nothing_else(website: Any, connect: Any, table: str) -> None:
    website.publish()
    cursor = connect().cursor()
    cursor.execute("set role website_reader")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cursor.execute(f"select count(*) from recommender.{table}")
