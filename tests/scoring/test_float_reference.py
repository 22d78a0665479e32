"""Lists of models with random weights beside plain float32: the same wherever rounding cannot decide."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender_job.ranking.predictor import Predictor
from recommender_job.scoring import lists
from recommender_job.scoring.lists import top_lists
from recommender_job.settings import Devices
from tests.scoring import random_worlds as worlds

USERS, EXPERIENCES = np.arange(40), np.arange(2, 900, 7)
N = 8
LAYERED = [kind for kind, shape in worlds.KINDS.items() if shape.get("hidden_layers")]
#: Kinds of models with hidden layers, and powers of two by which to multiply their ratings.
EXACT = [*((kind, 0) for kind in LAYERED), ("three layers", -60), ("three layers", 60)]


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
    error = 64 * np.finfo(np.float32).eps * float(np.abs(scores[np.isfinite(scores)]).max())
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
    assert clear.mean() > 0.4


def hold_to_the_bit(kind: str, power: int, devices: Devices) -> None:
    """Whole numbers times a power of two: nothing is rounded, so the lists are exactly the model's, ties by id."""
    model = worlds.network(kind, USERS[::2], EXPERIENCES, seed=4)
    for name, values in model.weights.items():
        # Layers pass on what they are given: a power in each of them would be too high.
        values[:] = np.ldexp(np.round(2 * values), 0 if "kernel" in name else power)
    model.weights["output_bias"][:] = 0
    predictor, rated = Predictor(((1.0, model),)), worlds.rated(USERS, EXPERIENCES)
    scores = scores_of(predictor, rated)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :N]
    ratings = np.take_along_axis(scores, expected, axis=1)
    assert len(np.unique(ratings)) > N
    assert (ratings[:, 1:] == ratings[:, :-1]).any()
    found = top_lists(
        predictor, USERS, EXPERIENCES, rated, n=N, scale=(-np.inf, np.inf), block_pairs=2_000, devices=devices
    )
    assert found["experience_id"].tolist() == EXPERIENCES[expected].ravel().tolist()
    assert found["predicted_rating"].tolist() == ratings.ravel().tolist()


@pytest.mark.parametrize("size", [1e-6, 1.0, 300.0])
@pytest.mark.parametrize("kind", LAYERED)
def test_lists_made_on_a_card_are_those_of_the_model_up_to_rounding(kind: str, size: float, a_card: list[str]) -> None:
    hold_against_the_model(kind, size, "auto")
    assert len(a_card) > 1


@pytest.mark.parametrize("size", [1e-6, 1.0, 300.0])
@pytest.mark.parametrize("kind", [*worlds.KINDS])
def test_lists_are_those_of_the_model_up_to_rounding(kind: str, size: float) -> None:
    hold_against_the_model(kind, size, "cpu")


@pytest.mark.parametrize(("kind", "power"), EXACT)
def test_ties_and_huge_and_tiny_values_on_a_card(kind: str, power: int, a_card: list[str]) -> None:
    hold_to_the_bit(kind, power, "auto")
    assert len(a_card) > 1


@pytest.mark.parametrize("compiled_from", [1, lists.COMPILED_FROM])
@pytest.mark.parametrize("power", [-60, 0, 60])
@pytest.mark.parametrize("kind", ["factors without biases", "three layers"])
def test_ties_and_huge_and_tiny_values(
    kind: str, power: int, compiled_from: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "COMPILED_FROM", compiled_from)
    hold_to_the_bit(kind, power, "cpu")
