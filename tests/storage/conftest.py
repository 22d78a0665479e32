"""Publications for the storage tests, made by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from recommender_job.storage import partitions
from recommender_job.storage.database import Database

#: (user, rank, experience): the list of two users.
LISTS = [(1, 1, 10), (1, 2, 11), (2, 1, 11)]


@pytest.fixture
def publish_row(database: Database) -> Callable[[int], None]:
    """Writes the row of a publication."""

    def work(publication_id: int) -> None:
        with database.transaction() as transaction:
            transaction.run(
                "insert into recommender.publication (publication_id, run_id, model_version, data_through, fresh_hours,"
                " users, rows, top_n, rmse) overriding system value"
                " values (:id, 'a-run', 'v1', '2023-01-01', 36, 2, 3, 2, 0.5)",
                id=publication_id,
            )

    return work


@pytest.fixture
def make_partition(database: Database) -> Callable[..., None]:
    """Makes, fills and attaches the partition of a publication."""

    def work(publication_id: int, using: Database = database) -> None:
        with using.transaction() as transaction:
            table = partitions.create(transaction, publication_id)
            transaction.run_many(
                f"insert into {table} (user_id, rank, experience_id, experience_name, predicted_rating, source)"
                " values (:user, :rank, :experience, 'E', 4.5, 'model')",
                [{"user": user, "rank": rank, "experience": experience} for user, rank, experience in LISTS],
            )
            partitions.attach(transaction, publication_id)

    return work
