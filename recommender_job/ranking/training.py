"""Fits the ranking model to ratings."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from recommender_job.config import ModelConfig
from recommender_job.errors import TrainingDiverged
from recommender_job.ranking.ids import IdMap
from recommender_job.ranking.trained import TrainedModel
from recommender_job.tables import EXPERIENCE, RATING, USER

SHUFFLE_ROWS = 1_000_000


def fit(
    ratings: pd.DataFrame,
    settings: ModelConfig,
    *,
    seed: int,
    progress: Callable[[int, int], None] = lambda epoch, epochs: None,
) -> tuple[TrainedModel, dict[str, Any]]:
    """Trains one model. Same ratings, settings and seed: same weights.

    Args:
        ratings: `user_id`, `experience_id`, `rating`; each pair once.
        settings: The model and how to train it.
        seed: Seed of the weights, the order of the ratings and the validation part.
        progress: Called after each epoch with its number and the most there can be.

    Returns:
        The model and `epochs` (those whose weights were kept), `loss` (mean squared error with penalties, last epoch)
        and `pairs`.

    Raises:
        TrainingDiverged: The loss or a weight is not finite.
    """
    from recommender_job.ranking.model import RankingModel
    from recommender_job.ranking.tensorflow import keras

    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    fitted, validation = _validation_part(ratings, settings.validation_share, seed)
    users, experiences = IdMap.of(fitted[USER].to_numpy()), IdMap.of(fitted[EXPERIENCE].to_numpy())
    model = RankingModel(len(users), len(experiences), float(fitted[RATING].mean()), settings)
    optimizer = {"adam": keras.optimizers.Adam, "adagrad": keras.optimizers.Adagrad}[settings.optimizer]
    model.compile(optimizer=optimizer(settings.learning_rate))
    callbacks = [
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: progress(epoch + 1, settings.epochs)),
        keras.callbacks.TerminateOnNaN(),
    ]
    stopping = None
    if len(validation):
        stopping = keras.callbacks.EarlyStopping("val_loss", patience=settings.patience, restore_best_weights=True)
        callbacks.append(stopping)
    history = model.fit(
        _batches(fitted, users, experiences, settings, seed),
        validation_data=_batches(validation, users, experiences, settings, None) if len(validation) else None,
        epochs=settings.epochs,
        callbacks=callbacks,
        verbose=0,
    ).history
    weights = {name: variable.numpy() for name, variable in model.named_variables().items()}
    loss = float(history["total_loss"][-1])
    if not math.isfinite(loss) or not all(np.isfinite(array).all() for array in weights.values()):
        raise TrainingDiverged(
            f"After epoch {len(history['total_loss'])} the loss is {loss} or a weight is not finite.",
            action="Lower `model.learning_rate`; if it persists, look for ratings of absurd size.",
        )
    epochs = stopping.best_epoch + 1 if stopping else len(history["total_loss"])
    return TrainedModel(settings, users, experiences, weights), {"epochs": epochs, "loss": loss, "pairs": len(ratings)}


def _validation_part(ratings: pd.DataFrame, share: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    order = np.random.default_rng(seed).permutation(len(ratings))
    kept = len(ratings) - int(len(ratings) * share)
    return ratings.iloc[np.sort(order[:kept])], ratings.iloc[np.sort(order[kept:])]


def _batches(ratings: pd.DataFrame, users: IdMap, experiences: IdMap, settings: ModelConfig, seed: int | None) -> Any:
    """A tf.data set of batches, in a new order every epoch when there is a seed."""
    from recommender_job.ranking.tensorflow import tf

    rows = tf.data.Dataset.from_tensor_slices(
        {
            "user": users.encode(ratings[USER].to_numpy()),
            "experience": experiences.encode(ratings[EXPERIENCE].to_numpy()),
            "rating": ratings[RATING].to_numpy(np.float32),
        }
    )
    if seed is not None:
        rows = rows.shuffle(min(len(ratings), SHUFFLE_ROWS), seed=seed)
    return rows.batch(settings.batch_size)
