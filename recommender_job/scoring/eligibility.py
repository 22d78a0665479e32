"""Who gets a list, and what may stand in it."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.arrays import distinct
from recommender_job.tables import EXPERIENCE, USER


def eligible_experiences(experiences: pd.DataFrame, moment: datetime) -> pd.DataFrame:
    """Experiences that may be recommended at a moment: active and within their dates.

    Args:
        experiences: A frame of `tables.SOURCE_EXPERIENCES`.
        moment: Dates are half-open: available_from <= moment < available_until; a missing one is unbounded.

    Returns:
        The rows that may, ascending by id.
    """
    at = pd.Timestamp(moment)
    begun = experiences["available_from"].isna() | (experiences["available_from"] <= at)
    ended = experiences["available_until"].notna() & (experiences["available_until"] <= at)
    good = experiences["is_active"] & begun & ~ended
    return experiences[good].sort_values(EXPERIENCE, ignore_index=True)


def known_users(ratings: pd.DataFrame, users: pd.DataFrame) -> NDArray[np.int64]:
    """Active users with at least one rating, ascending; everybody else reads the default list."""
    rated, active = ratings[USER].to_numpy(np.int64), users.loc[users["is_active"], USER].to_numpy(np.int64)
    return np.intersect1d(distinct(rated), distinct(active), assume_unique=True)


def shard_of(users: NDArray[np.int64], shards: int) -> NDArray[np.int64]:
    """Shard of each user: a hash of the id alone, the same on every machine and in every run.

    The ids are mixed first, since ids in use are often all even or all multiples of ten.
    """
    return (mixed(users) % np.uint64(shards)).astype(np.int64)


def mixed(ids: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Each id as a number that has nothing in common with those of its neighbours (splitmix64)."""
    word = ids.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))
