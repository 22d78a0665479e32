"""Eight people read all the time while ten nights are published, two are taken back and old ones are dropped."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.contract import list_statement
from benchmarks.fire import List, Readers, Row, faults
from recommender_job.publishing.publications import publications, rollback
from recommender_job.scoring.plan import PLANNED_EXPERIENCES
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database, plain_url
from recommender_job.tables import NAME

STRANGERS = [-1, 10**12]
COLUMNS = "rank, experience_id, experience_name, predicted_rating, source, reason, publication_id"


@pytest.fixture
def web(database: Database) -> Iterator[str]:
    """URL of an account that may do what the website may."""
    role = f"web_{uuid.uuid4().hex}"
    with database.transaction() as transaction:
        transaction.define("create role {role} login in role website_reader", {"role": role})
    yield plain_url(database.url.set(username=role))
    with database.transaction() as transaction:
        transaction.define("drop role {role}", {"role": role})


def published(website: Any) -> tuple[dict[int, List], List]:
    """Every user's list as it was published, and the default list."""
    lists: dict[int, list[Row]] = {}
    for row in website.rows(f"select user_id, {COLUMNS} from recommender.recommendations order by user_id, rank"):
        user, *rest = row.values()
        lists.setdefault(user, []).append(tuple(rest))
    default = website.rows(f"select {COLUMNS} from recommender.default_recommendations order by rank")
    return {user: tuple(rows) for user, rows in lists.items()}, tuple(tuple(row.values()) for row in default)


def test_no_reader_ever_sees_a_wrong_list(website: Any, spoilable: RunFolder, web: str) -> None:
    named = spoilable.read_frame(PLANNED_EXPERIENCES)
    spoilable.write_table(PLANNED_EXPERIENCES, named.assign(**{NAME: "Otra: " + named[NAME]}))
    lists, defaults = {}, {}

    def publish(number: int) -> None:
        # Two sets of lists in turns, each a run of its own, so that every publication drops the one before the last.
        folder = spoilable if number % 2 else None
        publication = website.publish(f"set {number % 2}", days=number, folder=folder)["publication_id"]
        lists[publication], defaults[publication] = published(website)

    publish(0)
    publish(1)
    with Readers(web, list_statement("%(user_id)s"), [*lists[1], *STRANGERS], count=8, seed=1) as readers:
        for number in range(2, 12):
            publish(number)
            readers.wait_for_reads(50)
            if number in (5, 9):
                rollback(website.database)
                readers.wait_for_reads(50)
    reads = readers.reads
    assert reads.errors == []
    assert faults(reads.seen, lists, defaults) == []
    # And it was a fire: every publication was read, and only the last two are left.
    assert {row[-1] for _, rows in reads.seen for row in rows} >= set(range(3, 13))
    assert [row["publication_id"] for row in publications(website.database)] == [12, 11]
