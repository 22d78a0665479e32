"""Holding pairs out: every pair lands on exactly one side, and which one can be told by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from recommender_job.errors import NothingToTrainOn
from recommender_job.ratings.split import split
from tests.ratings.plain import latest_of_each_pair
from tests.ratings.worlds import as_rows, source_ratings

HOLDOUTS = ["last", "time", "random"]
SHARES = st.sampled_from([0.1, 0.2, 0.25, 0.5, 0.75, 0.9])


def ratings(*rows: tuple[int, int, float]) -> pd.DataFrame:
    """Clean ratings from (user, experience, minute rated), in the order of events."""
    return latest_of_each_pair(source_ratings(*((user, item, 5, rated, rated) for user, item, rated in rows)))


def pairs(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    return [row[:2] for row in as_rows(frame)]


WORLDS = st.dictionaries(
    st.tuples(st.integers(1, 4), st.integers(1, 5)), st.integers(0, 6), min_size=1, max_size=20
).map(lambda world: ratings(*((user, item, rated) for (user, item), rated in world.items())))


def test_last_holds_out_each_users_latest_pair_but_never_the_only_one() -> None:
    world = ratings((1, 1, 0), (2, 1, 1), (1, 2, 2), (3, 1, 3), (3, 2, 4), (3, 3, 5))
    train, test = split(world, "last", share=0.5, seed=1)
    assert pairs(train) == [(1, 1), (2, 1), (3, 1), (3, 2)]
    assert pairs(test) == [(1, 2), (3, 3)]


def test_time_cuts_before_the_latest_share() -> None:
    world = ratings(*((user, 1, user) for user in range(10)))
    train, test = split(world, "time", share=0.2, seed=1)
    assert pairs(train) == [(user, 1) for user in range(8)]
    assert pairs(test) == [(8, 1), (9, 1)]


def test_time_keeps_ratings_of_the_same_moment_together() -> None:
    world = ratings((1, 1, 0), (2, 1, 0), (3, 1, 7), (4, 1, 7), (5, 1, 7))
    train, test = split(world, "time", share=0.2, seed=1)
    assert pairs(train) == [(1, 1), (2, 1)]
    assert pairs(test) == [(3, 1), (4, 1), (5, 1)]


def test_random_holds_out_the_share_and_depends_on_the_seed_alone() -> None:
    world = ratings(*((user, item, user + item) for user in range(10) for item in range(10)))
    train, test = split(world, "random", share=0.25, seed=1)
    assert (len(train), len(test)) == (75, 25)
    again = split(world, "random", share=0.25, seed=1)
    assert (pairs(train), pairs(test)) == (pairs(again[0]), pairs(again[1]))
    assert pairs(split(world, "random", share=0.25, seed=2)[1]) != pairs(test)


@given(WORLDS, st.sampled_from(HOLDOUTS), SHARES, st.integers(0, 5))
def test_every_pair_lands_on_exactly_one_side_in_order(
    world: pd.DataFrame, holdout: Any, share: float, seed: int
) -> None:
    try:
        train, test = split(world, holdout, share=share, seed=seed)
    except NothingToTrainOn:
        assume(False)
    assert sorted(as_rows(train) + as_rows(test)) == sorted(as_rows(world))
    for side in (train, test):
        assert len(side) > 0
        assert side["rated_at"].is_monotonic_increasing
        assert list(side.columns) == list(world.columns)


@given(WORLDS, SHARES)
def test_time_is_half_open(world: pd.DataFrame, share: float) -> None:
    try:
        train, test = split(world, "time", share=share, seed=0)
    except NothingToTrainOn:
        assume(False)
    assert train["rated_at"].max() < test["rated_at"].min()
    assert len(test) >= share * len(world) - 1e-9


@given(WORLDS)
def test_last_is_the_latest_of_every_user_with_two(world: pd.DataFrame) -> None:
    several = set(world["user_id"][world["user_id"].duplicated()])
    if not several:
        with pytest.raises(NothingToTrainOn):
            split(world, "last", share=0.5, seed=0)
        return
    train, test = split(world, "last", share=0.5, seed=0)
    assert sorted(test["user_id"]) == sorted(several)
    latest = train.groupby("user_id")["rated_at"].max()
    assert all(latest[user] <= rated for user, rated in zip(test["user_id"], test["rated_at"], strict=True))


@pytest.mark.parametrize(
    ("holdout", "world", "sides"),
    [
        ("last", [(1, 1, 0), (2, 1, 1)], "2 pairs to train on and 0 to evaluate on"),
        ("time", [(1, 1, 0), (2, 1, 0)], "0 pairs to train on and 2 to evaluate on"),
        ("random", [(1, 1, 0)], "0 pairs to train on and 1 to evaluate on"),
        *((holdout, [], "0 pairs to train on and 0 to evaluate on") for holdout in HOLDOUTS),
    ],
)
def test_an_empty_side_is_an_error(holdout: Any, world: list[tuple[int, int, float]], sides: str) -> None:
    with pytest.raises(NothingToTrainOn) as caught:
        split(ratings(*world), holdout, share=0.2, seed=1)
    assert caught.value.cause == f"Holdout `{holdout}` leaves {sides}."
    assert "choose another `holdout`" in caught.value.action


def test_the_callers_frame_is_not_changed() -> None:
    world = ratings((1, 1, 0), (1, 2, 1), (2, 1, 2))
    before = world.copy()
    for holdout in HOLDOUTS:
        split(world, holdout, share=0.5, seed=1)  # type: ignore[arg-type]  # a wrong value is the point
    pd.testing.assert_frame_equal(world, before)
