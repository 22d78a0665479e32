"""Predicted ratings of blocks, of all pairs and of some, beside those of pairs."""

from __future__ import annotations

import numpy as np
import pytest

from recommender_job.scoring import networks
from recommender_job.scoring.predicted import PredictedRatings
from tests.scoring import random_worlds as worlds

USERS, EXPERIENCES = np.arange(0, 40, 2), np.arange(5, 100)
ASKED, OFFERED = np.arange(30), np.arange(110)


@pytest.mark.parametrize("cached", [1, 2_000, networks.CACHED])
@pytest.mark.parametrize("kind", [*worlds.KINDS, "average"])
def test_they_are_those_of_the_pairs(monkeypatch: pytest.MonkeyPatch, kind: str, cached: int) -> None:
    """Whatever the size of a tile: one of 16 experiences, of some, of all."""
    monkeypatch.setattr(networks, "CACHED", cached)
    predictor = worlds.predictor(kind, USERS, EXPERIENCES)
    expected = predictor.predict(np.repeat(ASKED, len(OFFERED)), np.tile(OFFERED, len(ASKED)))
    expected = expected.reshape(len(ASKED), len(OFFERED))
    predicted = PredictedRatings(predictor, OFFERED)
    rows = predicted.rows(ASKED)
    every = np.empty_like(expected)
    predicted.every(rows, every)
    np.testing.assert_allclose(every, expected, atol=2e-5)
    random = np.random.default_rng(0)
    places = np.sort(random.permuted(np.tile(np.arange(len(OFFERED)), (len(ASKED), 1)), axis=1)[:, :70], axis=1)
    there = random.random(places.shape) < 0.8
    some = predicted.some(rows, places, there)
    np.testing.assert_allclose(some[there], np.take_along_axis(expected, places, axis=1)[there], atol=2e-5)
    assert not some[~there].any()
    assert expected.std() > 0.05
