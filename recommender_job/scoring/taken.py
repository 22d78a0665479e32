"""Pairs that are left out of the lists because the user has rated them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.tables import EXPERIENCE, USER


@dataclass(frozen=True)
class Taken:
    """What users already have, as sorted pairs.

    Args:
        user_place: Place of the user in the scored users, ascending, shape [k].
        experience_place: Place of the experience in the scored experiences, shape [k].
    """

    user_place: NDArray[np.int64]
    experience_place: NDArray[np.int64]

    @classmethod
    def of(cls, rated: pd.DataFrame, users: NDArray[np.int64], experiences: NDArray[np.int64]) -> Taken:
        """Where the rated pairs stand in `users` and `experiences`, both ascending; others are left away."""
        user_place, is_user = _places(rated[USER].to_numpy(), users)
        experience_place, is_experience = _places(rated[EXPERIENCE].to_numpy(), experiences)
        inside = is_user & is_experience
        pairs = user_place[inside] * len(experiences) + experience_place[inside]
        pairs.sort()
        return cls(*np.divmod(pairs, len(experiences)))

    def within(self, start: int, stop: int) -> NDArray[np.int64]:
        """Pairs of the users from `start` up to `stop`, users counted from `start`; shape [m, 2]."""
        first, last = np.searchsorted(self.user_place, [start, stop])
        return np.stack([self.user_place[first:last] - start, self.experience_place[first:last]], axis=1)


def _places(ids: NDArray[np.int64], among: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Place of each id, and whether it is there at all."""
    place = np.minimum(np.searchsorted(among, ids), len(among) - 1)
    return place, among[place] == ids
