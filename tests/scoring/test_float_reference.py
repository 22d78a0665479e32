"""Lists of models with random weights beside plain float32: the same wherever rounding cannot decide."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender_job.ranking.predictor import Predictor
from recommender_job.scoring.lists import top_lists
from recommender_job.settings import Devices
from tests.scoring import random_worlds as worlds

USERS, EXPERIENCES = np.arange(40), np.arange(2, 900, 7)
N = 8


def scores_of(predictor: Predictor, rated: pd.DataFrame) -> np.ndarray:
    """Predicted ratings as the model is called, a user at a time; -inf where the user has rated it."""
    scores = np.stack([predictor.predict(np.full(len(EXPERIENCES), user), EXPERIENCES) for user in USERS])
    scores[rated["user_id"], np.searchsorted(EXPERIENCES, rated["experience_id"])] = -np.inf
    return scores.astype(np.float64)


def hold_against_the_model(kind: str, size: float, devices: Devices) -> None:
    """Makes lists on some devices, and holds them against the ratings that the model predicts as it is called."""
    model = worlds.network(kind, USERS[::2], EXPERIENCES, seed=3, size=size)
    predictor, rated = Predictor(((1.0, model),)), worlds.rated(USERS, EXPERIENCES)
    how: dict[str, Any] = {"n": N, "scale": (-np.inf, np.inf), "block_pairs": 2_000, "predict": "all"}
    found = top_lists(predictor, USERS, EXPERIENCES, rated, devices=devices, **how)
    scores = scores_of(predictor, rated)
    # What float32 can lose on the way: the terms, not their sum, set the size of it.
    error = 64 * np.finfo(np.float32).eps * max(3.5, float(np.abs(scores[np.isfinite(scores)]).max()))
    places = np.searchsorted(EXPERIENCES, found["experience_id"].to_numpy()).reshape(-1, N)
    listed = np.take_along_axis(scores, places, axis=1)
    np.testing.assert_allclose(found["predicted_rating"].to_numpy().reshape(-1, N), listed, atol=error)
    # Nobody stands behind somebody whose score is lower by more than the error, or is left out for one.
    assert (listed[:, 1:] <= listed[:, :-1] + error).all()
    left = scores.copy()
    np.put_along_axis(left, places, -np.inf, axis=1)
    assert (left.max(axis=1) <= listed[:, -1] + error).all()
    clear = np.diff(np.sort(scores, axis=1)[:, -N - 1 :], axis=1).min(axis=1) > error
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :N]
    np.testing.assert_array_equal(places[clear], expected[clear])
    assert clear.any() or size < 1e-3


@pytest.mark.parametrize("size", [1e-6, 1.0, 300.0])
@pytest.mark.parametrize("kind", [kind for kind, shape in worlds.KINDS.items() if shape.get("hidden_layers")])
def test_lists_made_on_a_card_are_those_of_the_model_up_to_rounding(kind: str, size: float, a_card: list[str]) -> None:
    hold_against_the_model(kind, size, "auto")
    assert len(a_card) > 1


@pytest.mark.parametrize("size", [1e-6, 1.0, 300.0])
@pytest.mark.parametrize("kind", [*worlds.KINDS])
def test_lists_are_those_of_the_model_up_to_rounding(kind: str, size: float) -> None:
    hold_against_the_model(kind, size, "cpu")


@pytest.mark.parametrize("size", [1e-30, 1e15])
def test_huge_and_tiny_values(size: float) -> None:
    """Powers of two times small whole numbers: nothing is rounded, so the lists are exactly the reference's."""
    factor = np.float32(2.0 ** np.round(np.log2(size)))
    model = worlds.network("factors without biases", USERS, EXPERIENCES, seed=5)
    model.weights["output_bias"][:] = 0
    for name in ("user_embedding", "experience_embedding"):
        model.weights[name] = np.round(model.weights[name]) * factor
    predictor, rated = Predictor(((1.0, model),)), worlds.rated(USERS, EXPERIENCES)
    found = top_lists(predictor, USERS, EXPERIENCES, rated, n=N, scale=(-np.inf, np.inf), block_pairs=5_000)
    expected = np.argsort(-scores_of(predictor, rated), axis=1, kind="stable")[:, :N]
    assert found["experience_id"].tolist() == EXPERIENCES[expected].ravel().tolist()
