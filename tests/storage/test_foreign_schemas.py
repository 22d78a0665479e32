"""What an installation meets: schemas of the same name, and accounts that change."""

from __future__ import annotations

import uuid

import pytest
import sqlalchemy as sa

from recommender_job.errors import ConfigurationError
from recommender_job.storage import partitions, schema
from recommender_job.storage.database import Database


def test_a_schema_of_the_same_name_is_told_and_left_alone(server: sa.URL) -> None:
    name = f"shop_{uuid.uuid4().hex}"
    with Database(server.set(database="postgres")).autocommit() as session:
        session.define("create database {name}", {"name": name})
    shop = Database(server.set(database=name))
    with shop.transaction() as transaction:
        transaction.run("create schema website")
        transaction.run("create table website.orders (order_id bigint)")
    with pytest.raises(ConfigurationError) as caught:
        schema.migrate(shop)
    assert 'schema "website" already exists' in caught.value.cause
    assert "give it a database without them" in caught.value.action
    with shop.transaction() as transaction:
        assert transaction.count("website.orders") == 0


def test_a_partition_belongs_to_the_role_and_not_to_who_ran_the_night(database: Database) -> None:
    with database.transaction() as transaction:
        partitions.create(transaction, 5)
        partitions.attach(transaction, 5)
        owner = transaction.row(
            "select pg_get_userbyid(relowner) as owner from pg_class where oid = to_regclass(:name)",
            name=partitions.partition_of(5),
        )
    assert owner == {"owner": "recommender_writer"}
