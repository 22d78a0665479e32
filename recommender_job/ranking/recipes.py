"""Which recipe tonight's challenger is trained by: configured, kept from the champion, or chosen on the snapshot."""

from __future__ import annotations

from typing import Any

import pandas as pd

from recommender_job.config import Config
from recommender_job.ranking.folds import validation_folds
from recommender_job.ranking.ids import IdMap
from recommender_job.ranking.recipe import Recipe, seeded
from recommender_job.ranking.relevance_selection import choose_relevance
from recommender_job.ranking.selection import choose, untried
from recommender_job.ranking.trainer import Trainers
from recommender_job.tables import EXPERIENCE


def find_recipe(
    training: pd.DataFrame, config: Config, trainers: Trainers, champion: Recipe | None = None
) -> tuple[Recipe, dict[str, Any]]:
    """Settles the challenger's recipe without looking at the holdout.

    Args:
        training: A frame of `tables.RATINGS`: the training part.
        config: Settings.
        trainers: For the ids of the training part.
        champion: Recipe of what is live; None: nothing is.

    Returns:
        The recipe, and how it was found: `how` (`configured`, `kept`, `chosen`, or `untried`, where the ratings are too
        few to compare anything on or no candidate suits their number), and what `choose` and `choose_relevance` report
        as `model` and `relevance`.
    """
    settings = config.selection
    if config.chooses_model and champion is not None and len(training) > settings.once_above_pairs:
        return champion, {"how": "kept", "model": None, "relevance": None}
    folds = validation_folds(training, config)
    experiences = len(IdMap.of(training[EXPERIENCE].to_numpy()))
    relevance, relevance_report = choose_relevance(folds, experiences, config)
    if not config.chooses_model:
        recipe = Recipe(members=seeded("configured", config.model, config.seed), relevance=relevance)
        return recipe, {"how": "configured", "model": None, "relevance": relevance_report}
    if not folds or not any(candidate.suits(len(training)) for candidate in settings.candidates.values()):
        recipe = Recipe(members=untried(len(training), config), relevance=relevance)
        return recipe, {"how": "untried", "model": None, "relevance": relevance_report}
    if len(training) > settings.sample_pairs:
        # Tables of the sample's own users: those of all would be started, checked and settled for nothing.
        trainers = trainers.of_others(pd.concat(folds[0]))
    members, bias, report = choose(folds, len(training), config, trainers)
    return Recipe(members=members, bias=bias, relevance=relevance), {
        "how": "chosen",
        "model": report,
        "relevance": relevance_report,
    }
