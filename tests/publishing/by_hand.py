"""Publications made by hand: tiny worlds of which everything is known."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from recommender_job.publishing.publications import lock, switch
from recommender_job.storage import partitions
from recommender_job.storage.database import Database, plain_url

DEFAULT = (90, 91, 92)
LONG_AGO = datetime(2023, 1, 1, tzinfo=UTC)


def rating_of(rank: int) -> float:
    """The predicted rating at a rank, an exact `real`."""
    return 5 - rank / 4


def publish(
    database: Database,
    lists: Mapping[int, Sequence[int]],
    *,
    run_id: str = "a-run",
    data_through: datetime = LONG_AGO,
    default: Sequence[int] = DEFAULT,
    shown: bool = True,
    name: str = "E",
    lower: float = 0,
    crowd: int = 0,
) -> int:
    """Publishes these lists, and those of a crowd of further users whose ids begin at 1,000; returns the id.

    Args:
        database: Where.
        lists: User to experiences, best first.
        run_id: The run.
        data_through: Its cutoff; the lists are fresh for 36 hours.
        default: The default list.
        shown: Whether it becomes active.
        name: What the names of experiences begin with.
        lower: By how much predicted ratings lie below `rating_of`.
        crowd: Number of further users; each has ten experiences.
    """
    rows = [
        {"user": user, "rank": rank, "one": one, "name": f"{name}{one}", "rating": rating_of(rank) - lower}
        for user, experiences in lists.items()
        for rank, one in enumerate(experiences, start=1)
    ]
    with database.transaction() as transaction:
        lock(transaction)
        publication = transaction.rows(
            "insert into recommender.publication"
            " (run_id, model_version, data_through, fresh_hours, users, rows, top_n, rmse)"
            " values (:run_id, 'v1', :data_through, 36, :users, :rows, 10, 0.5) returning publication_id",
            run_id=run_id,
            data_through=data_through,
            users=len(lists) + crowd,
            rows=len(rows) + 10 * crowd,
        )[0]["publication_id"]
        table = partitions.create(transaction, publication)
        columns = "(user_id, rank, experience_id, experience_name, predicted_rating, source)"
        transaction.run_many(
            f"insert into {table} {columns} values (:user, :rank, :one, :name, :rating, 'model')", rows
        )
        transaction.run(
            f"insert into {table} {columns} select 999 + n, rank, (n * 7 + rank * 13) % 240, 'E', 4, 'model'"
            " from generate_series(1, :crowd) as n, generate_series(1, 10) as rank",
            crowd=crowd,
        )
        partitions.attach(transaction, publication)
        transaction.run_many(
            "insert into recommender.default_recommendation"
            " (publication_id, rank, experience_id, experience_name, predicted_rating, source, reason)"
            " values (:id, :rank, :one, :name, 4, 'popular', 'liked by many')",
            [
                {"id": publication, "rank": rank, "one": one, "name": f"{name}{one}"}
                for rank, one in enumerate(default, start=1)
            ],
        )
    if shown:
        with database.transaction() as transaction:
            switch(transaction, publication)
    return int(publication)


@contextlib.contextmanager
def website_account(database: Database) -> Iterator[str]:
    """URL of an account that may do what the website may, and no more."""
    role = f"web_{uuid.uuid4().hex}"
    with database.transaction() as transaction:
        transaction.define("create role {role} login in role website_reader", {"role": role})
    yield plain_url(database.url.set(username=role))
    with database.transaction() as transaction:
        transaction.define("drop role {role}", {"role": role})
