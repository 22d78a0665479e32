"""Partitions: made beside the readers, dropped behind them."""

from __future__ import annotations

from typing import Any

import psycopg2.errors
import pytest

from recommender_job.storage import partitions
from recommender_job.storage.database import Database, Transaction

ALL = "select publication_id as id from recommender.recommendation order by 1"


def add(transaction: Transaction, publication_id: int, into: str) -> None:
    insert = "insert into {table} values ({id}, 10, 1, 20, 'Museum', 4.5, 'model')"
    transaction.define(insert, {"table": into}, id=publication_id)


def publish(database: Database, *publication_ids: int) -> None:
    for publication_id in publication_ids:
        with database.transaction() as transaction:
            add(transaction, publication_id, partitions.create(transaction, publication_id))
            partitions.attach(transaction, publication_id)


def seen(database: Database) -> list[int]:
    with database.transaction() as transaction:
        rows = transaction.rows(ALL)
    return [row["id"] for row in rows]


def tables(database: Database) -> dict[int, bool]:
    """The partitions' tables, and whether their detaching has begun and not ended."""
    query = """
        select substring(c.relname from '[0-9]+$')::int as id, coalesce(i.inhdetachpending, false) as pending
        from pg_class as c left join pg_inherits as i on i.inhrelid = c.oid
        where c.relkind = 'r' and c.relname ~ '^recommendation_[0-9]+$' order by 1
    """
    with database.transaction() as transaction:
        return {row["id"]: row["pending"] for row in transaction.rows(query)}


def hold(reader: Transaction) -> list[dict[str, Any]]:
    """A query of a transaction that stays open holds its locks until that ends."""
    return reader.rows(ALL)


def test_a_created_table_is_not_seen_until_it_is_attached(database: Database) -> None:
    with database.transaction() as transaction:
        assert partitions.create(transaction, 7) == "recommender.recommendation_7"
        add(transaction, 7, "recommender.recommendation_7")
    assert seen(database) == []
    with database.transaction() as transaction:
        partitions.attach(transaction, 7)
    assert seen(database) == [7]
    with database.transaction() as transaction:
        [row] = transaction.rows("select * from recommender.recommendation")
    assert row == {
        "publication_id": 7,
        "user_id": 10,
        "rank": 1,
        "experience_id": 20,
        "experience_name": "Museum",
        "predicted_rating": 4.5,
        "source": "model",
    }


def test_an_attached_table_is_indexed_and_analysed(database: Database) -> None:
    publish(database, 7)
    with database.transaction() as transaction:
        indexes = transaction.rows("select indexdef from pg_indexes where tablename = 'recommendation_7'")
        found = transaction.row("select reltuples::int as rows from pg_class where relname = 'recommendation_7'")
    [index] = [row["indexdef"] for row in indexes]
    assert index.startswith("CREATE UNIQUE INDEX ")
    assert index.endswith("ON recommender.recommendation_7 USING btree (user_id, rank)")
    assert found == {"rows": 1}


def test_a_row_may_leave_its_publication_out_and_may_name_no_other(database: Database) -> None:
    with database.transaction() as transaction:
        table = partitions.create(transaction, 7)
        insert = """
            insert into {table} (user_id, rank, experience_id, experience_name, predicted_rating, source)
            values (1, 1, 1, 'Museum', 4, 'model')
        """
        transaction.define(insert, {"table": table})
        partitions.attach(transaction, 7)
    assert seen(database) == [7]
    with pytest.raises(psycopg2.errors.CheckViolation), database.transaction() as transaction:
        add(transaction, 8, table)


def test_two_rows_of_one_rank_are_refused(database: Database) -> None:
    def publish_twice_the_same() -> None:
        with database.transaction() as transaction:
            table = partitions.create(transaction, 7)
            add(transaction, 7, table)
            add(transaction, 7, table)
            partitions.attach(transaction, 7)

    with pytest.raises(psycopg2.errors.UniqueViolation, match=r"\(user_id, rank\)=\(10, 1\) is duplicated"):
        publish_twice_the_same()
    assert tables(database) == {}


def test_attaching_does_not_wait_for_readers(database: Database) -> None:
    publish(database, 1)
    with database.transaction() as reader:
        hold(reader)
        with database.transaction() as transaction:
            transaction.run("set local lock_timeout = '500ms'")
            add(transaction, 2, partitions.create(transaction, 2))
            partitions.attach(transaction, 2)
    assert seen(database) == [1, 2]


def test_dropping_leaves_the_others(database: Database) -> None:
    publish(database, 1, 2, 3)
    assert partitions.drop(database, [1, 3]) == [1, 3]
    assert tables(database) == {2: False}
    assert seen(database) == [2]


def test_dropping_what_was_never_attached_or_is_not_there(database: Database) -> None:
    publish(database, 1)
    with database.transaction() as transaction:
        partitions.create(transaction, 2)
    assert partitions.drop(database, [2, 99]) == [2, 99]
    assert partitions.drop(database, []) == []
    assert tables(database) == {1: False}


def test_what_a_reader_holds_is_left_for_the_next_time(database: Database) -> None:
    publish(database, 1, 2)
    with database.transaction() as reader:
        assert hold(reader) == [{"id": 1}, {"id": 2}]
        assert partitions.drop(database, [1], patience_seconds=1) == []
        assert tables(database) == {1: True, 2: False}
        assert partitions.drop(database, [1], patience_seconds=1) == []
    assert seen(database) == [2]
    assert partitions.drop(database, [1]) == [1]
    assert tables(database) == {2: False}


def test_several_that_a_reader_holds_are_all_left_for_the_next_time(database: Database) -> None:
    """PostgreSQL detaches one partition of a table at a time."""
    publish(database, 1, 2, 3)
    with database.transaction() as reader:
        hold(reader)
        assert partitions.drop(database, [1, 2], patience_seconds=1) == []
    assert partitions.drop(database, [1, 2]) == [1, 2]
    assert tables(database) == {3: False}


def test_one_left_behind_does_not_keep_the_next_from_going(database: Database) -> None:
    publish(database, 1, 2, 3)
    with database.transaction() as reader:
        hold(reader)
        assert partitions.drop(database, [2], patience_seconds=1) == []
    assert sorted(partitions.drop(database, [1, 2])) == [1, 2]
    assert tables(database) == {3: False}


def test_a_new_publication_goes_in_while_one_is_half_gone(database: Database) -> None:
    publish(database, 1)
    with database.transaction() as reader:
        hold(reader)
        assert partitions.drop(database, [1], patience_seconds=1) == []
    publish(database, 2)
    assert seen(database) == [2]
