"""Validation parts cut from the training part, shaped like the holdout, so that choices never look at the holdout."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from recommender_job.config import Config
from recommender_job.errors import NothingToTrainOn
from recommender_job.ranking.ids import IdMap
from recommender_job.ratings.split import split
from recommender_job.tables import USER

#: A validation part of so many pairs tells settings apart without a second one.
ENOUGH_PAIRS = 10_000


class Fold(NamedTuple):
    """What to train on and what to predict with it."""

    training: pd.DataFrame
    validation: pd.DataFrame


def validation_folds(training: pd.DataFrame, config: Config) -> list[Fold]:
    """Cuts the training part as the holdout was cut from the ratings.

    `random` cuts again with other seeds; `last` and `time` go further back: each fold is cut from what the one before
    trains on.

    Args:
        training: A frame of `tables.RATINGS`.
        config: `holdout`, `holdout_share`, `seed` and `selection`.

    Returns:
        At most `selection.folds` folds; one only where it holds `ENOUGH_PAIRS`; none where the pairs do not suffice.
    """
    folds: list[Fold] = []
    rest = _sample(training, config)
    for place in range(config.selection.folds):
        try:
            fold = Fold(*split(rest, config.holdout, share=config.holdout_share, seed=config.seed + place + 1))
        except NothingToTrainOn:
            break
        folds.append(fold)
        if len(fold.validation) >= ENOUGH_PAIRS:
            break
        if config.holdout != "random":
            rest = fold.training
    return folds


def _sample(training: pd.DataFrame, config: Config) -> pd.DataFrame:
    """All ratings of some users, so that each keeps a history, where there are more pairs than can be tried on."""
    if len(training) <= config.selection.sample_pairs:
        return training
    users = IdMap.of(training[USER].to_numpy()).ids
    share = config.selection.sample_pairs / len(training)
    chosen = np.random.default_rng(config.seed).permutation(users)[: max(1, round(len(users) * share))]
    return training[training[USER].isin(chosen)].reset_index(drop=True)
