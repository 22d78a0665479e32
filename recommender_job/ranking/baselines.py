"""Naive predictors that a model must beat before it deserves to be used."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.ranking.bias import BiasModel, deviation
from recommender_job.ranking.ids import IdMap
from recommender_job.tables import EXPERIENCE, RATING, USER


def baseline_predictions(
    train: pd.DataFrame, pairs: pd.DataFrame, *, shrinkage: float, scale: tuple[float, float]
) -> dict[str, NDArray[np.float64]]:
    """Predicts pairs from means alone.

    Args:
        train: `user_id`, `experience_id`, `rating`.
        pairs: `user_id`, `experience_id`.
        shrinkage: Ratings' worth of pull to zero on every user's and experience's deviation from the mean.
        scale: Predictions are clipped to it.

    Returns:
        `global_mean`, `user_mean`, `experience_mean` and `user_experience_bias`, each of shape [len(pairs)]. A user or
        experience without ratings in `train` deviates by zero.
    """
    mean = float(train[RATING].astype("float64").mean())
    both = BiasModel.fit(train, user_shrinkage=shrinkage, experience_shrinkage=shrinkage)
    predictions = {
        "global_mean": np.full(len(pairs), mean),
        "user_mean": mean + _deviation(train, pairs, USER, shrinkage),
        "experience_mean": mean + _deviation(train, pairs, EXPERIENCE, shrinkage),
        "user_experience_bias": both.predict(pairs[USER].to_numpy(), pairs[EXPERIENCE].to_numpy()),
    }
    return {name: np.clip(values, *scale) for name, values in predictions.items()}


def _deviation(train: pd.DataFrame, pairs: pd.DataFrame, side: str, shrinkage: float) -> NDArray[np.float64]:
    """Of each pair's user or experience alone."""
    ids = IdMap.of(train[side].to_numpy())
    rating = train[RATING].to_numpy(np.float64)
    own = deviation(rating - rating.mean(), ids.encode(train[side].to_numpy()), len(ids) + 1, shrinkage)
    return own[ids.encode(pairs[side].to_numpy())]
