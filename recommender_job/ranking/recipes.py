"""Which recipe tonight's challenger is trained by: configured, kept from the champion, or chosen on the snapshot."""

from __future__ import annotations

from typing import Any

import pandas as pd

from recommender_job.config import Config
from recommender_job.ranking.folds import validation_folds
from recommender_job.ranking.ids import IdMap
from recommender_job.ranking.recipe import Member, Recipe, seeded
from recommender_job.ranking.relevance_selection import choose_relevance, is_among_the_settings
from recommender_job.ranking.selection import choose, untried
from recommender_job.ranking.trainer import Trainers
from recommender_job.tables import EXPERIENCE

#: Settings of a candidate that choosing and training decide.
LEFT_TO_CHOOSE = ("epochs", "seeds", "user_shrinkage", "experience_shrinkage", "validation_share")


def find_recipe(
    training: pd.DataFrame, config: Config, trainers: Trainers, champion: Recipe | None = None
) -> tuple[Recipe, dict[str, Any]]:
    """Settles the challenger's recipe without looking at the holdout.

    Args:
        training: A frame of `tables.RATINGS`: the training part.
        config: Settings.
        trainers: For the ids of the training part.
        champion: Recipe of what is live; None: nothing is. It is kept beyond `selection.once_above_pairs`, as far as it
            could be chosen by today's settings.

    Returns:
        The recipe, and how it was found: `how` (`configured`, `kept`, `chosen`, or `untried`, where the ratings are too
        few to compare anything on or no candidate suits their number), and what `choose` and `choose_relevance` report
        as `model` and `relevance`.
    """
    settings = config.selection
    experiences = len(IdMap.of(training[EXPERIENCE].to_numpy()))
    is_large = config.chooses_model and len(training) > settings.once_above_pairs
    kept = champion if champion and is_large and _could_be_chosen(champion, len(training), config) else None
    if kept and is_among_the_settings(kept.relevance, experiences, config):
        return kept, {"how": "kept", "model": None, "relevance": None}
    folds = validation_folds(training, config)
    relevance, relevance_report = choose_relevance(folds, experiences, config)
    if kept:
        recipe = kept.model_copy(update={"relevance": relevance})
        return recipe, {"how": "kept", "model": None, "relevance": relevance_report}
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


def _could_be_chosen(recipe: Recipe, pairs: int, config: Config) -> bool:
    """Whether all networks of a recipe come from today's candidates for so many pairs."""

    def is_of_a_candidate(member: Member) -> bool:
        candidate = config.selection.candidates.get(member.name)
        if candidate is None or not candidate.suits(pairs):
            return False
        left = {name: getattr(member.settings, name) for name in LEFT_TO_CHOOSE}
        has_its_settings = member.settings == candidate.model.model_copy(update=left)
        return has_its_settings and member.seed - config.seed in range(member.settings.seeds)

    return all(is_of_a_candidate(member) for member in recipe.members)
