"""Whatever happens to the source between the nights: the last snapshot is what reading everything gives."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommender_job.config import Config
from recommender_job.ratings.extract import SNAPSHOT, extract
from recommender_job.runs import Run
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database, Transaction
from tests.ratings.worlds import minute

#: (user, experience, minute rated, occurrence)
Place = tuple[int, int, int, int]
Step = tuple[Any, ...]

WHERE = (
    " where (user_id, experience_id, rated_at, occurrence)"
    " = (:user_id, :experience_id, cast(:rated_at as timestamptz), :occurrence)"
)
PLACES = st.tuples(st.just(1), st.integers(1, 2), st.integers(0, 2), st.integers(1, 2))
RATINGS = st.integers(1, 5)
#: Which of the ratings that are there, counted round and round.
SOME = st.integers(0, 11)
CHANGES = st.one_of(
    st.tuples(st.just("insert"), PLACES, RATINGS),
    st.tuples(st.just("insert twice"), PLACES, RATINGS),
    st.tuples(st.just("correct"), SOME, RATINGS),
    st.tuples(st.just("delete"), SOME),
    st.tuples(st.just("move"), SOME, PLACES),
)
TRANSACTIONS = st.tuples(st.just("transaction"), st.lists(CHANGES, min_size=1, max_size=4))
#: The minutes by which the cutoff advances.
NIGHTS = st.tuples(st.just("night"), st.integers(0, 2))
STEPS = st.lists(st.one_of(TRANSACTIONS, TRANSACTIONS, NIGHTS), min_size=4, max_size=10)


def named(place: Place) -> dict[str, Any]:
    user, experience, rated, occurrence = place
    return {"user_id": user, "experience_id": experience, "rated_at": minute(rated), "occurrence": occurrence}


def change(transaction: Transaction, kind: str, which: Any, *more: Any) -> None:
    if kind.startswith("insert"):
        transaction.run(
            "insert into website.ratings (user_id, experience_id, rated_at, occurrence, rating)"
            " select :user_id, :experience_id, :rated_at, n, :rating - n"
            " from unnest(cast(:occurrences as smallint[])) as n on conflict do nothing",
            **named(which),
            rating=more[0],
            occurrences=[1, 2] if kind == "insert twice" else [which[3]],
        )
        return
    there = transaction.rows(
        "select user_id, experience_id, rated_at, occurrence from website.ratings order by 1, 2, 3, 4"
    )
    if not there:
        return
    place = there[which % len(there)]
    if kind == "correct":
        transaction.run(
            "update website.ratings set rating = :rating, updated_at = now()" + WHERE, **place, rating=more[0]
        )
    elif kind == "delete":
        transaction.run("delete from website.ratings" + WHERE, **place)
    elif named(more[0]) not in there:
        to = {f"to_{name}": value for name, value in named(more[0]).items()}
        transaction.run(
            "update website.ratings set user_id = :to_user_id, experience_id = :to_experience_id,"
            " rated_at = :to_rated_at, occurrence = :to_occurrence, updated_at = now()" + WHERE,
            **place,
            **to,
        )


@pytest.fixture
def replay(make_config: Callable[..., Config], database: Database) -> Callable[[list[Step], bool], None]:
    """Plays steps on an empty source and compares the last night with reading everything."""
    # The sharpest case: each night reads what was written since the one before, and nothing twice.
    config = make_config({"lookback_minutes": 0})
    everything = make_config({"full_read": True})
    numbers = itertools.count()
    with database.transaction() as transaction:
        transaction.run("insert into website.users values (1), (2)")
        transaction.run("insert into website.experiences (name, name_key) values ('A', 'a'), ('B', 'b')")

    def night(using: Config, cutoff: datetime) -> tuple[dict[str, Any], pd.DataFrame]:
        run = Run(f"run-{next(numbers)}", cutoff)
        folder = RunFolder(using.runs, run.folder)
        return extract(using, run, folder, database), folder.read_frame(SNAPSHOT)

    def work(steps: list[Step]) -> None:
        with database.transaction() as transaction:
            transaction.run("truncate website.ratings, website.deleted_ratings, recommender.extraction")
        cutoff, first = minute(2), True
        for kind, what in [*steps, ("night", 0)]:
            if kind == "transaction":
                with database.transaction() as transaction:
                    for each in what:
                        change(transaction, *each)
                continue
            cutoff += timedelta(minutes=what)
            summary, frame = night(config, cutoff)
            assert summary["full_read"] == first
            first = False
        again, whole = night(everything, cutoff)
        pd.testing.assert_frame_equal(frame, whole)
        assert (again["extracted"], again["deleted"]) == (0, 0)

    return work


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_the_last_snapshot_equals_a_full_read(replay: Callable[[list[Step]], None], steps: list[Step]) -> None:
    replay(steps)
