"""Fits one ranking model to ratings, and stops early where that is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from recommender_job.ranking.trained import TrainedModel
from recommender_job.ranking.trainer import Trainer, Trainers
from recommender_job.settings import ModelConfig
from recommender_job.tables import RATING


def fit(
    ratings: pd.DataFrame,
    settings: ModelConfig,
    *,
    seed: int,
    progress: Callable[[int, int], None] = lambda epoch, epochs: None,
    trainers: Trainers | None = None,
) -> tuple[TrainedModel, dict[str, Any]]:
    """Trains one model. Same ratings, settings and seed: same weights.

    Args:
        ratings: `user_id`, `experience_id`, `rating`; each pair once.
        settings: The model and how to train it.
        seed: Seed of the weights, the order of the ratings and the validation part.
        progress: Called after each epoch with its number and the most there can be.
        trainers: Of the same ratings' ids, to use their graphs again.

    Returns:
        The model and `epochs` (those whose weights were kept), `loss` (mean squared error with penalties, last epoch)
        and `pairs`.

    Raises:
        TrainingDiverged: The loss or a weight is not finite.
    """
    fitted, validation = _validation_part(ratings, settings.validation_share, seed)
    trainer = (trainers or Trainers(fitted)).of(settings)
    stopping = _Stopping(trainer, validation, settings.patience)

    def after_epoch(epoch: int) -> bool:
        progress(epoch, settings.epochs)
        return not len(validation) or stopping.goes_on(epoch)

    epochs, loss = trainer.fit(fitted, settings, seed=seed, after_epoch=after_epoch)
    if len(validation):
        epochs = stopping.restore()
    return trainer.trained(settings), {"epochs": epochs, "loss": loss, "pairs": len(ratings)}


class _Stopping:
    """Remembers the weights of the epoch with the lowest squared error on the validation part."""

    def __init__(self, trainer: Trainer, validation: pd.DataFrame, patience: int) -> None:
        self._trainer, self._validation, self._patience = trainer, validation, patience
        self._best = (math.inf, 0, trainer.weights())

    def goes_on(self, epoch: int) -> bool:
        error = float(np.mean((self._trainer.predict(self._validation) - self._validation[RATING].to_numpy()) ** 2))
        if error < self._best[0]:
            self._best = (error, epoch, self._trainer.weights())
        return epoch - self._best[1] < self._patience

    def restore(self) -> int:
        self._trainer.assign(self._best[2])
        return self._best[1]


def _validation_part(ratings: pd.DataFrame, share: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    if not share:
        return ratings, ratings.iloc[:0]  # not a copy: there may be more ratings than memory
    order = np.random.default_rng(seed).permutation(len(ratings))
    kept = len(ratings) - int(len(ratings) * share)
    return ratings.iloc[np.sort(order[:kept])], ratings.iloc[np.sort(order[kept:])]
