"""Ratings made up in any number, as the stage `clean` leaves them: for measuring what a large night costs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from recommender_job.tables import EXPERIENCE, RATED_AT, RATING, USER

#: Dimensions of the tastes that the ratings come from.
TASTES = 4


def generated_ratings(pairs: int, users: int, experiences: int, seed: int = 0) -> pd.DataFrame:
    """A frame of `tables.RATINGS`, each pair once, in the order of events.

    Some experiences are rated far more often than others (as one over the root of their place), every user as often as
    any other but for chance, and a rating is the mean, two biases, a taste and noise, rounded to the scale from 1 to 5.

    Args:
        pairs: About so many ratings; a few fewer, as pairs that are drawn twice count once.
        users: Users to draw from.
        experiences: Experiences to draw from.
        seed: Seed of everything.
    """
    random = np.random.default_rng(seed)
    chance = 1 / np.sqrt(np.arange(1, experiences + 1))
    user = random.integers(0, users, pairs)
    experience = np.searchsorted(np.cumsum(chance / chance.sum()), random.random(pairs)).clip(0, experiences - 1)
    kept = random.permutation(np.unique(user * experiences + experience))
    user, experience = np.divmod(kept, experiences)
    taste = np.zeros(len(kept), np.float32)
    for _ in range(TASTES):  # one dimension at a time: the vectors of all pairs would be the largest thing here
        own, other = random.normal(0, 0.6, users).astype("f4"), random.normal(0, 0.6, experiences).astype("f4")
        taste += own[user] * other[experience]
    taste += (
        random.normal(0, 0.4, users).astype("f4")[user] + random.normal(0, 0.4, experiences).astype("f4")[experience]
    )
    taste += random.normal(0, 0.5, len(kept)).astype("f4")
    minutes = np.arange(len(kept)) * 1_000_000
    return pd.DataFrame(
        {
            USER: user + 1,
            EXPERIENCE: experience + 1,
            RATING: np.clip(np.rint(3.6 + taste), 1, 5).astype(np.float32),
            RATED_AT: pd.to_datetime(minutes, unit="us", utc=True).astype("datetime64[us, UTC]"),
        }
    )
