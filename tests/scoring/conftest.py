"""Models and people for the scoring tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender_job.config import ModelConfig
from recommender_job.ranking.ids import IdMap
from recommender_job.ranking.trained import TrainedModel

#: Ids as they occur: negative ones, small ones, and the largest that the database takes.
USERS = [-7, 1, 2, 3, 5, 8, 13, 2**62, 2**63 - 1]
EXPERIENCES = [-3, 4, 6, 10, 11, 12, 2**63 - 1]


@pytest.fixture(scope="session")
def exact() -> Callable[..., TrainedModel]:
    """Makes a model whose weights are small multiples of 1/4.

    All sums and products of them are exact in float32, so that two ways of computing a prediction must agree to the
    bit, and equal predictions are frequent.
    """

    def make(seed: int = 0, **changes: Any) -> TrainedModel:
        settings = ModelConfig(**{"embedding_dimension": 3, "hidden_layers": (4, 2), **changes})
        random = np.random.default_rng(seed)

        def some(*shape: int) -> np.ndarray:
            return (random.integers(-2, 3, shape) / 4).astype(np.float32)

        weights = {
            "user_embedding": some(len(USERS) + 1, 3),
            "experience_embedding": some(len(EXPERIENCES) + 1, 3),
        }
        if settings.bias_terms:
            weights |= {"user_bias": some(len(USERS) + 1, 1), "experience_bias": some(len(EXPERIENCES) + 1, 1)}
        width = 6
        for i, units in enumerate(settings.hidden_layers):
            weights |= {f"hidden_{i}_kernel": some(width, units), f"hidden_{i}_bias": some(units)}
            width = units
        weights |= {"output_kernel": some(width, 1), "output_bias": np.array([3.5], np.float32)}
        return TrainedModel(settings, IdMap(np.array(USERS)), IdMap(np.array(EXPERIENCES)), weights)

    return make


@pytest.fixture(scope="session")
def asked() -> tuple[np.ndarray, np.ndarray]:
    """Users and experiences to score: those of the model and some that it has not seen."""
    users = sorted([*USERS, -100, 4, 2**40])
    experiences = sorted([*EXPERIENCES, 0, 7, 2**50])
    return np.array(users, np.int64), np.array(experiences, np.int64)


@pytest.fixture(scope="session")
def pairs() -> Callable[..., pd.DataFrame]:
    """Makes a frame of (user, experience) pairs."""
    return lambda *rated: pd.DataFrame(list(rated), columns=["user_id", "experience_id"], dtype="int64")
