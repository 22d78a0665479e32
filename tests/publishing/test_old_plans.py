"""Waiting for those who may have planned without the newest partition, and for nobody else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from recommender_job.publishing.old_plans import wait_for_old_plans
from recommender_job.storage.database import Database
from tests.publishing.by_hand import publish

Connect = Callable[[], Any]


def begin_reading(connect: Connect) -> Any:
    """Somebody who has read a list in a transaction that stays open."""
    reader = connect()
    reader.cursor().execute("select * from recommender.recommendations where user_id = 1")
    return reader


def begin_waiting(database: Database, patience_seconds: float) -> threading.Thread:
    def wait() -> None:
        with database.transaction() as transaction:
            wait_for_old_plans(transaction, patience_seconds)

    waiter = threading.Thread(target=wait, daemon=True)
    waiter.start()
    return waiter


def await_waiting(database: Database) -> None:
    sql = (
        "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        " and query like 'select distinct virtualtransaction%'"
    )
    deadline = time.monotonic() + 60
    found = False
    while not found:
        assert time.monotonic() < deadline, "nobody waits"
        with database.transaction() as transaction:
            found = bool(transaction.rows(sql))


def ends(waiter: threading.Thread) -> bool:
    waiter.join(60)
    return not waiter.is_alive()


def test_when_nobody_reads_it_does_not_wait(database: Database) -> None:
    publish(database, {1: (5,)})
    assert ends(begin_waiting(database, patience_seconds=600))


def test_it_waits_for_those_who_read_and_not_for_those_who_come_later(database: Database, connect: Connect) -> None:
    publish(database, {1: (5,)})
    before = begin_reading(connect)
    waiter = begin_waiting(database, patience_seconds=600)
    await_waiting(database)
    begin_reading(connect)  # readers come all the time: waiting for these too would never end
    assert waiter.is_alive()
    before.rollback()
    assert ends(waiter)


def test_it_does_not_wait_for_ever(database: Database, connect: Connect) -> None:
    publish(database, {1: (5,)})
    begin_reading(connect)
    assert ends(begin_waiting(database, patience_seconds=0.1))


def test_those_who_read_other_tables_do_not_matter(database: Database, connect: Connect) -> None:
    publish(database, {1: (5,)})
    connect().cursor().execute("select * from recommender.recommendation_status")
    assert ends(begin_waiting(database, patience_seconds=600))
