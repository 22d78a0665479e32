"""Eight people read all the time while nights are published, some are taken back and old ones are dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from benchmarks.contract import list_statement
from benchmarks.fire import PUBLICATION, Published, Readers
from recommender_job.publishing.activate import activate
from recommender_job.publishing.publications import publications, rollback
from recommender_job.scoring.plan import PLANNED_EXPERIENCES
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database
from recommender_job.tables import NAME
from tests.publishing.by_hand import website_account

STRANGERS = [-1, 10**12]
Publish = Callable[[int], int]


@pytest.fixture
def web(database: Database) -> Iterator[str]:
    with website_account(database) as url:
        yield url


@pytest.fixture
def make_set(website: Any, spoilable: RunFolder) -> Callable[..., int]:
    """Publishes one of two sets of lists in turns. They differ in every row, and each is a run of its own, so that
    every publication drops the one before the last."""
    named = spoilable.read_frame(PLANNED_EXPERIENCES)
    spoilable.write_table(PLANNED_EXPERIENCES, named.assign(**{NAME: "Otra: " + named[NAME]}))

    def work(number: int, **settings: Any) -> int:
        folder = spoilable if number % 2 else None
        made = website.publish(f"set {number % 2}", days=number, folder=folder, **settings)
        return int(made["publication_id"])

    return work


def read_under_fire(website: Any, web: str, publish: Publish, numbers: range, taken_back: set[int]) -> None:
    """Publishes these sets while people read, going on only when everybody has read on."""
    published = Published()

    def step(number: int) -> None:
        published.note(web, publish(number))

    step(numbers[0])
    step(numbers[1])
    users = [*next(iter(published.lists.values())), *STRANGERS]
    with Readers(web, list_statement("%(user_id)s"), users, count=8, seed=1) as readers:
        for number in numbers[2:]:
            step(number)
            readers.wait_for_reads(50)
            if number in taken_back:
                rollback(website.database)
                readers.wait_for_reads(50)
    assert published.faults(readers.reads.seen) == []
    assert readers.reads.errors == []
    # And it was a fire: every publication was read, by those with a list and by strangers.
    seen = {(rows[0][PUBLICATION], user in STRANGERS) for user, rows in readers.reads.seen}
    assert seen >= {(publication, stranger) for publication in [*published.lists][2:] for stranger in (False, True)}


def test_ten_publications_and_two_rollbacks(website: Any, web: str, make_set: Callable[..., int]) -> None:
    read_under_fire(website, web, make_set, range(12), taken_back={5, 9})
    assert [row["publication_id"] for row in publications(website.database)] == [12, 11]


def test_showing_what_was_built_as_a_dry_run(website: Any, web: str, make_set: Callable[..., int]) -> None:
    def publish(number: int) -> int:
        publication = make_set(number, dry_run=True)
        return int(activate(website.database, publication)["publication_id"])

    read_under_fire(website, web, publish, range(6), taken_back={3})
    assert website.active() == 6
