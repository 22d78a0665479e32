"""Naive predictors that a model must beat before it deserves to be used."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.ranking.bias import BiasModel, deviation_alone
from recommender_job.ranking.encoded import Encoded, encoded
from recommender_job.tables import EXPERIENCE, USER


def baseline_predictions(
    train: pd.DataFrame | Encoded, pairs: pd.DataFrame, *, shrinkage: float, scale: tuple[float, float]
) -> dict[str, NDArray[np.float64]]:
    """Predicts pairs from means alone.

    Args:
        train: `user_id`, `experience_id`, `rating` to take them from; or what was made of them.
        pairs: `user_id`, `experience_id`.
        shrinkage: Ratings' worth of pull to zero on every user's and experience's deviation from the mean.
        scale: Predictions are clipped to it.

    Returns:
        `global_mean`, `user_mean`, `experience_mean` and `user_experience_bias`, each of shape [len(pairs)]. A user or
        experience without ratings in `train` deviates by zero.
    """
    train = encoded(train)
    mean, users, experiences = train.mean, pairs[USER].to_numpy(), pairs[EXPERIENCE].to_numpy()
    both = BiasModel.fit(train, user_shrinkage=shrinkage, experience_shrinkage=shrinkage)
    predictions = {
        "global_mean": np.full(len(pairs), mean),
        "user_mean": mean + deviation_alone(train, USER, shrinkage)[train.users.encode(users)],
        "experience_mean": mean + deviation_alone(train, EXPERIENCE, shrinkage)[train.experiences.encode(experiences)],
        "user_experience_bias": both.predict(users, experiences),
    }
    return {name: np.clip(values, *scale) for name, values in predictions.items()}
