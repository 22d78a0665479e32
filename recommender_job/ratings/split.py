"""Cuts ratings into a training part and a holdout of pairs that the model will not have seen."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.errors import NothingToTrainOn
from recommender_job.settings import Holdout
from recommender_job.tables import RATED_AT, USER


def split(ratings: pd.DataFrame, holdout: Holdout, *, share: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cuts ratings in two; every pair lands on exactly one side.

    Args:
        ratings: A frame of `tables.RATINGS`: each pair once, in the order of events.
        holdout: `last`: the latest pair of every user with at least two; `time`: what was rated at or after the moment
            where the latest `share` begins; `random`: a random `share`.
        share: Share held out by `time` and `random`.
        seed: Seed of `random`.

    Returns:
        Training part and holdout, each in the order of `ratings`.

    Raises:
        NothingToTrainOn: One of the two would be empty.
    """
    held = held_out(ratings, holdout, share=share, seed=seed)
    return ratings[~held].reset_index(drop=True), ratings[held].reset_index(drop=True)


def held_out(ratings: pd.DataFrame, holdout: Holdout, *, share: float, seed: int) -> NDArray[np.bool_]:
    """Which rows `split` holds out, for cutting a table that is not in memory.

    Raises:
        NothingToTrainOn: None or all.
    """
    if holdout == "last":
        held = ~ratings[USER].duplicated(keep="last") & ratings[USER].duplicated(keep=False)
    elif ratings.empty:
        held = pd.Series(dtype=bool)
    elif holdout == "time":
        # A cut between moments, not between rows: ratings of the same moment stay together.
        cut = ratings[RATED_AT].sort_values().iloc[int(len(ratings) * (1 - share))]
        held = ratings[RATED_AT] >= cut
    else:
        order = np.random.default_rng(seed).permutation(len(ratings))
        held = pd.Series(False, index=ratings.index)
        held.iloc[order[int(len(ratings) * (1 - share)) :]] = True
    count = int(held.sum())
    if not 0 < count < len(ratings):
        raise NothingToTrainOn(
            f"Holdout `{holdout}` leaves {len(ratings) - count} pairs to train on and {count} to evaluate on.",
            action="Wait for more ratings, or choose another `holdout`.",
        )
    return held.to_numpy()
