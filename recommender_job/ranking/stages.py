"""The stages train, evaluate and refit: files in, files out, around the functions that do the work."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recommender_job.config import Config
from recommender_job.ranking.baselines import baseline_predictions
from recommender_job.ranking.metrics import ErrorFigures
from recommender_job.ranking.trained import TrainedModel
from recommender_job.ranking.training import fit
from recommender_job.ratings.clean import CLEAN
from recommender_job.ratings.split import split
from recommender_job.storage.artifacts import RunFolder
from recommender_job.tables import EXPERIENCE, PREDICTED, RATING, RATINGS, USER, checked

TRAIN = "train/train.parquet"
HOLDOUT = "train/holdout.parquet"
PREDICTIONS = "evaluate/predictions.parquet"

Progress = Callable[[int, int], None]


def _silent(epoch: int, epochs: int) -> None:
    """Progress that nobody watches."""


def train(config: Config, folder: RunFolder, name: str, progress: Progress = _silent) -> dict[str, Any]:
    """Splits the clean ratings, trains the challenger on one part and saves it.

    Returns:
        `pairs` trained on, `holdout` pairs, `epochs`, `loss`, `model_version`.
    """
    ratings = checked(folder.read_frame(CLEAN), RATINGS)
    training, holdout = split(ratings, config.holdout, share=config.holdout_share, seed=config.seed)
    folder.write_table(TRAIN, training)
    folder.write_table(HOLDOUT, holdout)
    model, figures = fit(training, config.model, seed=config.seed, progress=progress)
    model.save(folder, name)
    return {**figures, "holdout": len(holdout), "model_version": model.version}


def evaluate(config: Config, folder: RunFolder, name: str) -> dict[str, Any]:
    """Predicts the holdout with the challenger and the baselines, and keeps every prediction.

    Returns:
        `rmse`, `mae`, `n`; `baselines` and `baselines_mae` by name; `slices`: the same three figures for pairs of known
        and unknown users and experiences.
    """
    training = checked(folder.read_frame(TRAIN), RATINGS)
    holdout = checked(folder.read_frame(HOLDOUT), RATINGS)
    model = TrainedModel.load(folder, name)
    figures, predictions = evaluated(model, training, holdout, config)
    folder.write_table(PREDICTIONS, predictions)
    return {**figures, "holdout": config.holdout}


def evaluated(
    model: TrainedModel, training: pd.DataFrame, pairs: pd.DataFrame, config: Config
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Figures and predictions of a model on pairs it has not seen.

    Args:
        model: Trained on `training`.
        training: What the baselines are computed from.
        pairs: `user_id`, `experience_id`, `rating`.
        config: Scale and shrinkage.

    Returns:
        The figures of `evaluate`, and the pairs with `predicted_rating` and a column for each baseline.
    """
    scale = (config.rating_min, config.rating_max)
    users, experiences = pairs[USER].to_numpy(), pairs[EXPERIENCE].to_numpy()
    # clip keeps NaN, so a missing prediction still reaches ErrorFigures and is refused there.
    predicted = np.clip(model.predict(users, experiences), *scale)
    naive = baseline_predictions(training, pairs, shrinkage=config.gate.bias_shrinkage, scale=scale)
    actual = pairs[RATING].to_numpy()
    baselines = {name: ErrorFigures.of(values, actual) for name, values in naive.items()}
    known_user = np.isin(users, model.users.ids)
    known_experience = np.isin(experiences, model.experiences.ids)
    slices = {
        "known_users": known_user,
        "unknown_users": ~known_user,
        "known_experiences": known_experience,
        "unknown_experiences": ~known_experience,
    }
    figures = {
        **ErrorFigures.of(predicted, actual).as_dict(),
        "baselines": {name: figure.rmse for name, figure in baselines.items()},
        "baselines_mae": {name: figure.mae for name, figure in baselines.items()},
        "slices": {name: ErrorFigures.of(predicted[part], actual[part]).as_dict() for name, part in slices.items()},
    }
    return figures, pairs.assign(**{PREDICTED: predicted.astype(np.float32)}, **naive)


def refit(
    config: Config, folder: RunFolder, name: str, saved_model: str, progress: Progress = _silent
) -> dict[str, Any]:
    """Trains on all clean ratings, and saves the model as arrays and as a SavedModel.

    Where the challenger stopped early, its number of epochs is used: there is no holdout left to stop by.

    Returns:
        `pairs`, `epochs`, `loss`, `model_version`.
    """
    from recommender_job.ranking.model import export_saved_model

    settings = config.model.model_copy(update={"epochs": folder.summary("train")["epochs"], "validation_share": 0.0})
    model, figures = fit(checked(folder.read_frame(CLEAN), RATINGS), settings, seed=config.seed, progress=progress)
    model.save(folder, name)
    with tempfile.TemporaryDirectory() as local:
        export_saved_model(model, local, (config.rating_min, config.rating_max))
        folder.write_folder(saved_model, Path(local))
    return {**figures, "model_version": model.version}
