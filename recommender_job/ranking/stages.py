"""The stages train and refit: files in, files out, around the functions that do the work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
from pydantic import ValidationError

from recommender_job.config import Config
from recommender_job.errors import TrainingDiverged
from recommender_job.ranking.cards import failing_as_card
from recommender_job.ranking.encoded import Encoded
from recommender_job.ranking.inputs import HOLDOUT, all_ratings, training_part
from recommender_job.ranking.predictor import Predictor, train_predictor
from recommender_job.ranking.recipe import Recipe
from recommender_job.ranking.recipes import find_recipe
from recommender_job.ranking.relevance import RelevanceModel, train_relevance
from recommender_job.ranking.trainer import Trainers
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.mapped import rows_of

Progress = Callable[[int, int], None]


def _silent(epoch: int, epochs: int) -> None:
    """Progress that nobody watches."""


def train(
    config: Config,
    folder: RunFolder,
    challenger: str,
    champion: str,
    live: str | None = None,
    progress: Progress = _silent,
) -> dict[str, Any]:
    """Splits the clean ratings, chooses a recipe and trains the challenger on one part; the champion again, too.

    The published model has been trained on tonight's holdout; only what its recipe makes of tonight's training part can
    be compared with the challenger.

    Args:
        config: Settings.
        folder: The run folder.
        challenger: Name to save the challenger under.
        champion: Name to save the champion under.
        live: Recipe of what is live, as JSON; None: nothing is.
        progress: Called after each epoch of the challenger.

    Returns:
        `pairs` trained on, `holdout` pairs, `epochs`, `loss` and `model_version` of the challenger; `selection`: how
        its recipe was found; `champion`: `none`, `same` (the challenger has its recipe), `trained`, `unreadable` (its
        recipe is of another version of this job), or `untrainable` (it diverges on tonight's ratings).

    Raises:
        CardFailed: A graphics card is full, or failed.
    """
    live_recipe = _readable(live)
    with failing_as_card(config.train_devices), training_part(config, folder) as (training, trainers):
        recipe, selection = find_recipe(training, config, trainers, live_recipe)
        try:
            predictor, recipe, figures = train_predictor(training, recipe, progress, trainers)
        except TrainingDiverged:
            if selection["how"] != "kept":
                raise
            recipe, selection = find_recipe(training, config, trainers)  # or it would diverge every night
            predictor, recipe, figures = train_predictor(training, recipe, progress, trainers)
        _save(folder, challenger, predictor, _relevance(training, trainers, recipe, config), recipe)
        state = "none" if live is None else "unreadable" if live_recipe is None else "trained"
        if live_recipe == recipe:
            state = "same"
        elif live_recipe is not None:
            try:
                other, _, _ = train_predictor(training, live_recipe, trainers=trainers)
            except TrainingDiverged:
                state = "untrainable"
            else:
                _save(folder, champion, other, _relevance(training, trainers, live_recipe, config), live_recipe)
    return {
        **figures,
        "holdout": rows_of(folder, HOLDOUT),
        "model_version": predictor.version,
        "selection": selection,
        "champion": state,
    }


def refit(
    config: Config, folder: RunFolder, challenger: str, name: str, saved_model: str, progress: Progress = _silent
) -> dict[str, Any]:
    """Trains the challenger's recipe on all clean ratings, and saves the model as arrays and as a SavedModel.

    Where the challenger stopped early, its number of epochs is used: there is no holdout left to stop by.

    Returns:
        `pairs`, `epochs`, `loss`, `model_version`.

    Raises:
        CardFailed: A graphics card is full, or failed.
    """
    from recommender_job.ranking.serving import export_saved_model

    folder.summary("train")
    recipe = load_recipe(folder, challenger)
    with failing_as_card(config.train_devices), all_ratings(config, folder) as (ratings, trainers):
        predictor, recipe, figures = train_predictor(ratings, recipe, progress, trainers)
        _save(folder, name, predictor, _relevance(ratings, trainers, recipe, config), recipe)
    with failing_as_card(config.train_devices), folder.scratch(saved_model) as local:
        export_saved_model(predictor, str(local / "served"), (config.rating_min, config.rating_max))
        folder.write_folder(saved_model, local / "served")
    return {**figures, "model_version": predictor.version}


def load_recipe(folder: RunFolder, name: str) -> Recipe:
    """The recipe that a model in the run folder was trained by.

    Raises:
        ArtifactBroken: The file is missing or damaged.
    """
    with folder.reading(f"{name}/recipe.json"):
        return Recipe.model_validate(folder.read_json(f"{name}/recipe.json"))


def _readable(live: str | None) -> Recipe | None:
    """The live recipe; None where there is none or where another version of this job wrote it."""
    try:
        return None if live is None else Recipe.model_validate_json(live)
    except ValidationError:
        return None


def _relevance(ratings: pd.DataFrame, trainers: Trainers, recipe: Recipe, config: Config) -> RelevanceModel:
    return train_relevance(Encoded.of(ratings, trainers.spill), recipe.relevance, seed=config.seed)


def _save(folder: RunFolder, name: str, predictor: Predictor, relevance: RelevanceModel, recipe: Recipe) -> None:
    predictor.save(folder, name)
    relevance.save(folder, name)
    folder.write_json(f"{name}/recipe.json", recipe.model_dump(mode="json"))
