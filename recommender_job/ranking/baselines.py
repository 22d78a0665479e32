"""Naive predictors that a model must beat before it deserves to be used."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.tables import EXPERIENCE, RATING, USER

GLOBAL_MEAN = "global_mean"
SWEEPS = 20


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
    mean = float(train[RATING].mean())
    residual = train[RATING].astype("float64") - mean
    user = _deviation(residual, train[USER], shrinkage)
    experience = _deviation(residual, train[EXPERIENCE], shrinkage)
    both_user, both_experience = _both(train, residual, shrinkage)
    predictions = {
        GLOBAL_MEAN: pd.Series(mean, index=pairs.index),
        "user_mean": mean + _of(user, pairs[USER]),
        "experience_mean": mean + _of(experience, pairs[EXPERIENCE]),
        "user_experience_bias": mean + _of(both_user, pairs[USER]) + _of(both_experience, pairs[EXPERIENCE]),
    }
    return {name: values.clip(*scale).to_numpy(np.float64) for name, values in predictions.items()}


def _both(train: pd.DataFrame, residual: pd.Series, shrinkage: float) -> tuple[pd.Series, pd.Series]:
    """Least squares of user and experience deviations together, each in turn given the other."""
    user = pd.Series(dtype="float64")
    experience = pd.Series(dtype="float64")
    for _ in range(SWEEPS):
        experience = _deviation(residual - _of(user, train[USER]), train[EXPERIENCE], shrinkage)
        user = _deviation(residual - _of(experience, train[EXPERIENCE]), train[USER], shrinkage)
    return user, experience


def _deviation(residual: pd.Series, ids: pd.Series, shrinkage: float) -> pd.Series:
    groups = residual.groupby(ids)
    return groups.sum() / (groups.count() + shrinkage)


def _of(deviation: pd.Series, ids: pd.Series) -> pd.Series:
    return ids.map(deviation).astype("float64").fillna(0.0)
