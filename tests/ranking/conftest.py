"""Small worlds for the ranking tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender_job.ranking.bias import BiasModel
from recommender_job.ranking.ids import IdMap
from recommender_job.ranking.trained import TrainedModel
from recommender_job.settings import ModelConfig

#: A model without hidden layers, penalties and random numbers: what it predicts can be worked out on paper.
PLAIN: dict[str, Any] = {
    "embedding_dimension": 2,
    "embedding_init": 0.0,
    "hidden_layers": (),
    "l2_embedding": 0.0,
    "l2_bias": 0.0,
    "l2_dense": 0.0,
}


@pytest.fixture(scope="session")
def plain() -> Callable[..., ModelConfig]:
    """Makes settings from `PLAIN` and what differs."""
    return lambda **changes: ModelConfig(**{**PLAIN, **changes})


@pytest.fixture(scope="session")
def frame() -> Callable[..., pd.DataFrame]:
    """Makes a frame of ratings from (user, experience, rating) triples, one a minute."""

    def make(triples: list[tuple[int, int, float]]) -> pd.DataFrame:
        users, experiences, ratings = zip(*triples, strict=True)
        minutes = pd.to_timedelta(range(len(triples)), unit="min")
        return pd.DataFrame(
            {
                "user_id": np.array(users, np.int64),
                "experience_id": np.array(experiences, np.int64),
                "rating": np.array(ratings, np.float32),
                "rated_at": (pd.Timestamp("2023-01-01", tz="UTC") + minutes).astype("datetime64[us, UTC]"),
            }
        )

    return make


@pytest.fixture(scope="session")
def by_hand(plain: Callable[..., ModelConfig]) -> Callable[..., TrainedModel]:
    """Makes the model that the tests know the predictions of: users 10 and 20, experiences 7 and 9.

    Row 0, that of unseen ids, is not zero, so that the switch `unseen` can be told from its absence.
    """

    def make(**changes: Any) -> TrainedModel:
        settings = plain(**changes)
        weights = {
            "user_embedding": [[1, 1], [1, 2], [3, -1]],
            "experience_embedding": [[2, 2], [0.5, 1], [-1, 4]],
        }
        if settings.bias_terms:
            weights |= {"user_bias": [[8], [0.25], [-0.5]], "experience_bias": [[16], [1], [2]]}
        width = 4
        if settings.hidden_layers == (2,) and settings.dense:
            weights |= {"hidden_0_kernel": [[1, 0], [0, 1], [1, 0], [0, -1]], "hidden_0_bias": [0.5, -0.5]}
            width = 2
        if settings.dense:
            weights |= {"output_kernel": np.arange(1, width + 1)[:, None] / 10}
        weights |= {"output_bias": [3]}
        arrays = {name: np.array(values, np.float32) for name, values in weights.items()}
        return TrainedModel(settings, IdMap(np.array([10, 20])), IdMap(np.array([7, 9])), arrays)

    return make


@pytest.fixture(scope="session")
def bias_by_hand() -> Callable[[], BiasModel]:
    """Makes a bias model of the ids of `by_hand`: mean 4; users 0.5 and -0.25, experiences -0.25 and 0.75."""

    def make() -> BiasModel:
        users, experiences = IdMap(np.array([10, 20])), IdMap(np.array([7, 9]))
        return BiasModel(users, experiences, 4.0, np.array([0, 0.5, -0.25]), np.array([0, -0.25, 0.75]))

    return make
