"""The partitions of `recommender.recommendation`, one a publication, made and dropped without blocking readers."""

from __future__ import annotations

from collections.abc import Iterable

import psycopg2.errors
import sqlalchemy as sa

from recommender_job.storage.database import Database, Transaction

PARENT = "recommender.recommendation"

_HELD_BY_A_READER = (
    psycopg2.errors.QueryCanceled,
    psycopg2.errors.LockNotAvailable,
    # Somebody else who prunes waits for the same readers.
    psycopg2.errors.DeadlockDetected,
    # Another partition's detach still waits for its readers.
    psycopg2.errors.ObjectNotInPrerequisiteState,
)


def partition_of(publication_id: int) -> str:
    """Name of a publication's partition, with its schema."""
    return f"{PARENT}_{int(publication_id)}"


def create(transaction: Transaction, publication_id: int) -> str:
    """Makes the publication's table beside the partitioned one, where no reader sees it or waits for it.

    Returns:
        Its name.
    """
    table = partition_of(publication_id)
    names = {"table": table, "parent": PARENT}
    transaction.define("create table {table} (like {parent} including constraints)", names)
    transaction.define("alter table {table} alter publication_id set default {id}", names, id=publication_id)
    # Whichever account runs the next nights must be able to drop it.
    transaction.define("alter table {table} owner to recommender_writer", names)
    # The same condition as the partition's bound spares a second look at every row when it is attached.
    transaction.define("alter table {table} add check (publication_id = {id})", names, id=publication_id)
    return table


def attach(transaction: Transaction, publication_id: int) -> None:
    """Indexes and analyses a loaded table and makes it a partition.

    Attaching takes a lock on the parent that readers do not feel; only another attach or detach waits for it.
    """
    table = partition_of(publication_id)
    names = {"table": table, "parent": PARENT}
    transaction.define("create unique index on {table} (user_id, rank)", names)
    transaction.define("analyze {table}", names)
    transaction.define("alter table {parent} attach partition {table} for values in ({id})", names, id=publication_id)


def drop(database: Database, publication_ids: Iterable[int], *, patience_seconds: int = 30) -> list[int]:
    """Detaches and drops partitions; waits for readers instead of stopping them.

    Args:
        database: Where they are.
        publication_ids: Whose partitions to drop; one that is not there is passed over.
        patience_seconds: How long to wait for readers that still look at a partition.

    Returns:
        Those that are gone; what a reader holds on to is left for the next time.
    """
    wanted, gone = list(publication_ids), set()
    with database.autocommit() as session:
        session.run("select set_config('statement_timeout', :ms, false)", ms=str(patience_seconds * 1000))
        # A detach that was cut short comes first: until it is finished PostgreSQL begins no other.
        pending = _pending(session)
        for publication_id in sorted(wanted, key=lambda one: one not in pending):
            try:
                _drop_one(session, publication_id)
            except (sa.exc.OperationalError, psycopg2.OperationalError) as error:
                origin = getattr(error, "orig", error)
                if not isinstance(origin, _HELD_BY_A_READER):
                    raise
                continue
            except psycopg2.errors.UndefinedTable:
                continue  # somebody else who prunes has just detached or dropped it
            gone.add(publication_id)
    return [publication_id for publication_id in wanted if publication_id in gone]


def _drop_one(session: Transaction, publication_id: int) -> None:
    table = partition_of(publication_id)
    names = {"table": table, "parent": PARENT}
    state = session.row(
        "select i.inhdetachpending as pending from pg_inherits as i"
        " where i.inhrelid = to_regclass(:table) and i.inhparent = to_regclass(:parent)",
        table=table,
        parent=PARENT,
    )
    if state is not None:
        # A detach that was cut short must be finished, it cannot be begun again.
        finish = "alter table {parent} detach partition {table} finalize"
        begin = "alter table {parent} detach partition {table} concurrently"
        session.define(finish if state["pending"] else begin, names)
    session.define("drop table if exists {table}", names)


def delete_user(transaction: Transaction, publication_id: int, user_id: int) -> int:
    """Deletes a user's rows from a partition, attached or not.

    Returns:
        How many there were; none where it is not there: who prunes may just have dropped it.
    """
    names = {"table": partition_of(publication_id)}
    try:
        with transaction.attempt():
            return transaction.define("delete from {table} where user_id = {user_id}", names, user_id=user_id)
    except psycopg2.errors.UndefinedTable:
        return 0


def attached(transaction: Transaction) -> set[int]:
    """Publications whose rows the partitioned table shows."""
    return _children(transaction, pending=False)


def existing(transaction: Transaction) -> set[int]:
    """Publications that have a table, attached or not."""
    rows = transaction.rows(
        "select substring(c.relname from '[0-9]+$')::bigint as id from pg_class as c"
        " where c.relnamespace = to_regnamespace('recommender') and c.relkind = 'r'"
        " and c.relname ~ '^recommendation_[0-9]+$'"
    )
    return {row["id"] for row in rows}


def _pending(session: Transaction) -> set[int]:
    return _children(session, pending=True)


def _children(transaction: Transaction, *, pending: bool) -> set[int]:
    rows = transaction.rows(
        "select substring(c.relname from '[0-9]+$')::bigint as id from pg_inherits as i"
        " inner join pg_class as c on i.inhrelid = c.oid"
        " where i.inhparent = to_regclass(:parent) and i.inhdetachpending = :pending",
        parent=PARENT,
        pending=pending,
    )
    return {row["id"] for row in rows}
