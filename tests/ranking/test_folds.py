"""Validation parts: cut from the training part like the holdout, and from nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_job.config import Config, load_config
from recommender_job.errors import NothingToTrainOn
from recommender_job.ranking.folds import ENOUGH_PAIRS, validation_folds
from recommender_job.ratings.split import split
from tests.ranking import worlds
from tests.ranking.worlds import as_pairs

HOLDOUTS = ["last", "time", "random"]


def settings(holdout: str, folds: int = 2, **changes: Any) -> Config:
    return load_config({"holdout": holdout, "selection.folds": folds, **changes})


@pytest.fixture(scope="module")
def ratings() -> pd.DataFrame:
    return worlds.noise()


@pytest.mark.parametrize("holdout", HOLDOUTS)
def test_folds_never_hold_a_pair_of_the_holdout(ratings: pd.DataFrame, holdout: str) -> None:
    config = settings(holdout, folds=3)
    training, held = split(ratings, holdout, share=config.holdout_share, seed=config.seed)
    folds = validation_folds(training, config)
    assert len(folds) == 3
    for fold in folds:
        for part in fold:
            assert as_pairs(part) <= as_pairs(training)
            assert not as_pairs(part) & as_pairs(held)
        assert not as_pairs(fold.training) & as_pairs(fold.validation)


@pytest.mark.parametrize("holdout", ["last", "time"])
def test_each_fold_is_cut_from_what_the_one_before_trains_on(ratings: pd.DataFrame, holdout: str) -> None:
    rest = ratings
    for fold in validation_folds(ratings, settings(holdout, folds=3)):
        training, validation = split(rest, holdout, share=0.2, seed=0)
        pd.testing.assert_frame_equal(fold.training, training)
        pd.testing.assert_frame_equal(fold.validation, validation)
        rest = fold.training


def test_random_folds_are_cut_from_the_whole_with_seeds_of_their_own(ratings: pd.DataFrame) -> None:
    config = settings("random", folds=3, holdout_share=0.3, seed=5)
    folds = validation_folds(ratings, config)
    for place, fold in enumerate(folds):
        training, validation = split(ratings, "random", share=0.3, seed=6 + place)
        pd.testing.assert_frame_equal(fold.training, training)
        pd.testing.assert_frame_equal(fold.validation, validation)
    assert len({frozenset(as_pairs(fold.validation)) for fold in folds}) == 3
    again = validation_folds(ratings, config)
    other = validation_folds(ratings, settings("random", folds=3, holdout_share=0.3, seed=6))
    assert as_pairs(again[0].validation) == as_pairs(folds[0].validation) != as_pairs(other[0].validation)


@pytest.mark.parametrize("holdout", HOLDOUTS)
def test_a_large_validation_part_needs_no_second(holdout: str) -> None:
    users = ENOUGH_PAIRS if holdout == "last" else ENOUGH_PAIRS * 5 // 6
    pairs = np.arange(users * 6)
    large = worlds.ratings(pairs % users, pairs // users, np.ones(len(pairs)))
    config = settings(holdout, folds=3)
    folds = validation_folds(large, config)
    assert [len(fold.validation) for fold in folds] == [ENOUGH_PAIRS]
    smaller = large[large["user_id"] > 0].reset_index(drop=True)
    assert len(validation_folds(smaller, config)) == 3


def test_of_big_data_some_users_are_tried_on_with_their_whole_history(ratings: pd.DataFrame) -> None:
    config = settings("random", **{"selection.sample_pairs": len(ratings) // 4})
    before = ratings.copy()
    folds = validation_folds(ratings, config)
    sampled = as_pairs(folds[0].training) | as_pairs(folds[0].validation)
    users = {user for user, _ in sampled}
    assert len(users) == worlds.USERS // 4
    assert sampled == {pair for pair in as_pairs(ratings) if pair[0] in users}
    assert as_pairs(folds[1].training) | as_pairs(folds[1].validation) == sampled
    assert [len(fold.training) for fold in folds] == [int(len(sampled) * 0.8)] * 2
    pd.testing.assert_frame_equal(validation_folds(ratings, config)[1].validation, folds[1].validation)
    others = validation_folds(ratings, settings("random", seed=1, **{"selection.sample_pairs": len(ratings) // 4}))
    assert {user for user, _ in as_pairs(others[0].training)} != users
    pd.testing.assert_frame_equal(ratings, before)


def test_all_users_are_tried_on_up_to_the_bound(ratings: pd.DataFrame) -> None:
    fold = validation_folds(ratings, settings("random", **{"selection.sample_pairs": len(ratings)}))[0]
    assert as_pairs(fold.training) | as_pairs(fold.validation) == as_pairs(ratings)


def test_a_sample_holds_a_user_at_least(ratings: pd.DataFrame) -> None:
    (fold,) = validation_folds(ratings, settings("random", folds=1, **{"selection.sample_pairs": 1}))
    assert fold.training["user_id"].nunique() == 1


def test_there_are_none_where_nothing_can_be_held_out() -> None:
    single = worlds.ratings(np.array([1, 2, 3]), np.array([7, 8, 9]), np.array([5, 4, 3]))
    assert validation_folds(single, settings("last")) == []
    assert validation_folds(single.head(1), settings("random")) == []
    same_moment = single.assign(rated_at=single["rated_at"].iloc[0])
    assert validation_folds(same_moment, settings("time")) == []


def test_fewer_where_the_history_ends() -> None:
    # User 1 has three pairs, user 2 one: the last can be cut off twice, then nobody has two.
    short = worlds.ratings(np.array([1, 1, 2, 1]), np.array([7, 8, 9, 9]), np.array([5, 4, 3, 2]))
    folds = validation_folds(short, settings("last", folds=5))
    assert [as_pairs(fold.validation) for fold in folds] == [{(1, 9)}, {(1, 8)}]
    assert [as_pairs(fold.training) for fold in folds] == [{(1, 7), (1, 8), (2, 9)}, {(1, 7), (2, 9)}]


@given(st.sampled_from(HOLDOUTS), st.integers(1, 4), st.data())
def test_any_folds_split_pairs_of_the_training_part(holdout: str, count: int, data: st.DataObject) -> None:
    pairs = data.draw(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 5)), min_size=2, max_size=20, unique=True))
    users, experiences = np.array(pairs).T
    ratings = worlds.ratings(users, experiences, np.ones(len(pairs)))
    try:
        training, _ = split(ratings, holdout, share=0.2, seed=42)
    except NothingToTrainOn:
        return
    folds = validation_folds(training, settings(holdout, folds=count))
    assert len(folds) <= count
    for fold in folds:
        assert len(fold.training)
        assert len(fold.validation)
        assert as_pairs(fold.training) | as_pairs(fold.validation) <= as_pairs(training)
        assert not as_pairs(fold.training) & as_pairs(fold.validation)
