"""The bias model: mean + user bias + experience bias, in closed form and without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.ranking.encoded import Encoded, encoded
from recommender_job.ranking.ids import IdMap
from recommender_job.tables import EXPERIENCE, USER

SWEEPS = 20


@dataclass(frozen=True)
class BiasModel:
    """What users and experiences deviate from the mean by.

    Args:
        users: Ids of the rows of `user`.
        experiences: Ids of the rows of `experience`.
        mean: Mean rating.
        user: Deviation of each user, shape [users + 1]; row 0, that of unseen ids, is 0.
        experience: Deviation of each experience, shape [experiences + 1]; row 0 is 0.
    """

    users: IdMap
    experiences: IdMap
    mean: float
    user: NDArray[np.float64]
    experience: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        ratings: pd.DataFrame | Encoded,
        *,
        user_shrinkage: float,
        experience_shrinkage: float,
        sweeps: int = SWEEPS,
    ) -> BiasModel:
        """Least squares of both deviations together, each in turn given the other.

        Args:
            ratings: `user_id`, `experience_id`, `rating`; or what was made of them.
            user_shrinkage: Ratings' worth of pull to zero on every user's deviation.
            experience_shrinkage: Likewise for experiences.
            sweeps: How often each is computed given the other.
        """
        ratings = encoded(ratings)
        mean = ratings.mean
        user, experience = np.zeros(len(ratings.users) + 1), np.zeros(len(ratings.experiences) + 1)
        user_counts, experience_counts = ratings.user_counts, ratings.experience_counts
        for _ in range(sweeps):
            experience = _shrunk(
                ratings.experience, experience_counts, experience_shrinkage, _residuals(ratings, mean, USER, user)
            )
            user = _shrunk(ratings.user, user_counts, user_shrinkage, _residuals(ratings, mean, EXPERIENCE, experience))
        return cls(ratings.users, ratings.experiences, mean, user, experience)

    def predict(self, users: NDArray[np.int64], experiences: NDArray[np.int64]) -> NDArray[np.float64]:
        """Predicted ratings of pairs of ids, not clipped; shape [n]. An unseen id deviates by zero."""
        return self.mean + self.user[self.users.encode(users)] + self.experience[self.experiences.encode(experiences)]


def deviation_alone(ratings: Encoded, side: str, shrinkage: float) -> NDArray[np.float64]:
    """What each user or experience deviates from the mean by, the other side left out of account; shape [rows + 1].

    Args:
        ratings: Shape [n].
        side: `tables.USER` or `tables.EXPERIENCE`.
        shrinkage: Ratings' worth of pull to zero.
    """
    rows, counts = (
        (ratings.user, ratings.user_counts) if side == USER else (ratings.experience, ratings.experience_counts)
    )
    return _shrunk(rows, counts, shrinkage, _residuals(ratings, ratings.mean))


def _residuals(
    ratings: Encoded, mean: float, side: str | None = None, deviations: NDArray[np.float64] | None = None
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """What the mean, and one side's deviations, leave over of the ratings, part by part."""
    rows = ratings.user if side == USER else ratings.experience
    for part in ratings.parts():
        residual = ratings.rating[part].astype(np.float64) - mean
        yield part, residual if deviations is None else residual - deviations[rows[part]]


def _shrunk(
    rows: NDArray[np.int32],
    counts: NDArray[np.int64],
    shrinkage: float,
    residuals: Iterable[tuple[slice, NDArray[np.float64]]],
) -> NDArray[np.float64]:
    """Shrunk mean of the residuals of each row; 0 where a row has none.

    Args:
        rows: Row of each residual, shape [n].
        counts: Residuals of each row.
        shrinkage: Residuals of zero that each row is given to start with.
        residuals: Where some stand, and what they are; all of the n in the end.
    """
    total, weight = np.zeros(len(counts)), counts + shrinkage
    for part, residual in residuals:
        np.add.at(total, rows[part], residual)
    means: NDArray[np.float64] = np.divide(total, weight, out=np.zeros(len(counts)), where=weight > 0)
    return means
