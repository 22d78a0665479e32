"""Relevance: EASE and popularity against short references, planted groups, and ids that nobody has heard of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.linear_model import Ridge

from recommender_job.ranking.ids import IdMap
from recommender_job.ranking.recipe import RelevancePart
from recommender_job.ranking.relevance import (
    TIE_BREAK,
    Features,
    RelevanceModel,
    ease,
    interactions,
    train_relevance,
)
from tests.ranking import worlds

WORLDS = [worlds.noise, worlds.clusters, worlds.popularity]


def matrix_of(ratings: pd.DataFrame) -> np.ndarray:
    """Ones where a user has rated, in the order of the ids."""
    return ratings.assign(one=1.0).pivot(index="user_id", columns="experience_id", values="one").fillna(0).to_numpy()


def relevance(model: RelevanceModel, users: list[int], rated: pd.DataFrame, experiences: Any = None) -> np.ndarray:
    """Of every experience to each user."""
    ids = model.experiences.ids if experiences is None else np.array(experiences)
    matrix, popularity = model.columns(ids)
    return model.features(np.array(users), rated).block(0, len(users)) @ matrix + popularity


def reference(taken: np.ndarray, l2: float) -> np.ndarray:
    """Steck 2019, algorithm 1."""
    gram = taken.T @ taken + l2 * np.eye(taken.shape[1])
    inverse = np.linalg.inv(gram)
    result = inverse / -np.diag(inverse)
    np.fill_diagonal(result, 0)
    return result


@pytest.mark.parametrize("l2", [5.0, 100.0])
@pytest.mark.parametrize("make", WORLDS)
def test_ease_is_steck_s_algorithm(make: Any, l2: float) -> None:
    ratings = make()
    model = train_relevance(ratings, RelevancePart(method="ease", l2=l2), seed=1)
    np.testing.assert_allclose(model.matrix, reference(matrix_of(ratings), l2), atol=1e-6)
    assert model.matrix.dtype == np.float32
    assert model.factors is None


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_ease_is_the_ridge_regression_of_each_experience_on_the_others(power: float) -> None:
    ratings = worlds.popularity()
    ratings = ratings[ratings.index % 7 < ratings["user_id"] % 7 + 1]  # so that users differ in activity
    taken = matrix_of(ratings)
    activity = taken.sum(axis=1)
    assert len(set(activity.tolist())) > 3
    part = RelevancePart(method="ease", l2=3.0, activity_power=power)
    found = train_relevance(ratings, part, seed=1).matrix
    for place in range(0, taken.shape[1], 7):
        others = np.delete(taken, place, axis=1)
        ridge = Ridge(alpha=3.0, fit_intercept=False).fit(others, taken[:, place], sample_weight=activity**-power)
        np.testing.assert_allclose(np.delete(found[:, place], place), ridge.coef_, atol=1e-5)
        assert found[place, place] == 0


def test_without_a_penalty_experiences_always_taken_together_are_still_solved() -> None:
    taken = sparse.csr_array(np.array([[1, 1, 0], [1, 1, 1], [0, 0, 1]], np.float32))
    found = ease([taken], 3, 0.0, 0.0)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[:, 0], [0, 1, 0], atol=0.01)


@pytest.mark.parametrize("weight", [0.3, 2.0])
def test_popularity_is_the_share_of_the_users_who_rated(weight: float) -> None:
    ratings = worlds.ratings(np.array([1, 2, 4, 1]), np.array([7, 7, 7, 9]), np.array([1, 2, 3, 4]))
    model = train_relevance(ratings, RelevancePart(method="popularity", popularity=weight), seed=1)
    np.testing.assert_allclose(relevance(model, [1, 2, 8], ratings), [[weight, weight / 3]] * 3, rtol=1e-6)


def test_popularity_without_weight_still_breaks_ties() -> None:
    ratings = worlds.clusters()
    model = train_relevance(ratings, RelevancePart(method="ease", l2=10.0, popularity=0.0), seed=1)
    stranger = relevance(model, [999], ratings)[0]
    count = matrix_of(ratings).sum(axis=0)
    np.testing.assert_allclose(stranger, TIE_BREAK * count / 100, rtol=1e-5)
    np.testing.assert_allclose(
        relevance(model, [1], ratings) - stranger, matrix_of(ratings)[:1] @ model.matrix, atol=1e-6
    )


@pytest.mark.parametrize("method", ["ease", "als", "popularity"])
def test_unknown_users_and_experiences_have_no_relevance_but_popularity(method: Any) -> None:
    ratings = worlds.clusters()
    part = RelevancePart(method=method, l2=10.0, popularity=0.5)
    model = train_relevance(ratings, part, seed=1)
    share = matrix_of(ratings).sum(axis=0) / 100
    # Before the lowest id, between, and behind the highest; 999 rated nothing, 1 is known.
    found = relevance(model, [1, 999], ratings, [-5, 1, 2, 10_000])
    assert found[:, [0, 3]].tolist() == [[0, 0], [0, 0]]
    np.testing.assert_allclose(found[1, 1:3], 0.5 * share[:2], rtol=1e-6)
    if method != "popularity":
        assert not np.allclose(found[0, 1:3], found[1, 1:3], atol=1e-3)


def test_a_user_who_is_new_but_has_rated_since_is_known_to_ease() -> None:
    ratings = worlds.clusters()
    model = train_relevance(ratings, RelevancePart(method="ease", l2=10.0, popularity=0.0), seed=1)
    since = worlds.ratings(np.array([999, 999, 999]), np.array([21, 22, 777]), np.array([3, 3, 3]))
    found = relevance(model, [999], since)[0]
    group = found[20:30]
    assert group[2:].min() > np.delete(found, np.arange(20, 30)).max() + 0.05
    np.testing.assert_allclose(found, model.matrix[20] + model.matrix[21] + relevance(model, [5], since)[0], atol=1e-6)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6)), max_size=30))
def test_interactions_are_ones_whatever_repeats_or_does_not_belong(pairs: list[tuple[int, int]]) -> None:
    rated = pd.DataFrame(pairs, columns=["user_id", "experience_id"], dtype="int64")
    users, experiences = np.array([1, 3, 4]), IdMap(np.array([0, 2, 5, 6]))
    found = interactions(rated, users, experiences)
    expected = [[float((user, e) in pairs) for e in experiences.ids] for user in users.tolist()]
    np.testing.assert_array_equal(found.toarray(), expected)
    assert found.dtype == np.float32


@pytest.mark.parametrize("method", ["ease", "als", "popularity"])
def test_a_block_is_the_same_rows_of_the_whole(method: Any) -> None:
    ratings = worlds.clusters()
    model = train_relevance(ratings, RelevancePart(method=method, l2=10.0), seed=1)
    users = np.array([2, 3, 50, 60, 999])
    features = model.features(users, ratings)
    width = {"ease": 40, "als": 64, "popularity": 0}[method]
    whole = features.block(0, 5)
    assert whole.shape == (5, width)
    assert whole.dtype == np.float32
    assert isinstance(whole, np.ndarray)
    for start, stop in ((0, 2), (2, 5), (4, 9), (3, 3)):
        np.testing.assert_array_equal(features.block(start, stop), whole[start:stop])
    if method == "ease":
        np.testing.assert_array_equal(whole[:2], matrix_of(ratings)[1:3])
    assert not whole[4].any()


def test_a_block_of_sparse_rows_is_dense() -> None:
    dense = np.random.default_rng(0).random((6, 4)).astype(np.float32).round()
    np.testing.assert_array_equal(Features(sparse.csr_array(dense)).block(1, 4), dense[1:4])
