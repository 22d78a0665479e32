"""The bias model: mean + user bias + experience bias, in closed form and without TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.ranking.ids import IdMap
from recommender_job.tables import EXPERIENCE, RATING, USER

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
        cls, ratings: pd.DataFrame, *, user_shrinkage: float, experience_shrinkage: float, sweeps: int = SWEEPS
    ) -> BiasModel:
        """Least squares of both deviations together, each in turn given the other.

        Args:
            ratings: `user_id`, `experience_id`, `rating`.
            user_shrinkage: Ratings' worth of pull to zero on every user's deviation.
            experience_shrinkage: Likewise for experiences.
            sweeps: How often each is computed given the other.
        """
        users, experiences = IdMap.of(ratings[USER].to_numpy()), IdMap.of(ratings[EXPERIENCE].to_numpy())
        user_rows = users.encode(ratings[USER].to_numpy())
        experience_rows = experiences.encode(ratings[EXPERIENCE].to_numpy())
        rating = ratings[RATING].to_numpy(np.float64)
        mean = float(rating.mean())
        user, experience = np.zeros(len(users) + 1), np.zeros(len(experiences) + 1)
        for _ in range(sweeps):
            experience = deviation(
                rating - mean - user[user_rows], experience_rows, len(experience), experience_shrinkage
            )
            user = deviation(rating - mean - experience[experience_rows], user_rows, len(user), user_shrinkage)
        return cls(users, experiences, mean, user, experience)

    def predict(self, users: NDArray[np.int64], experiences: NDArray[np.int64]) -> NDArray[np.float64]:
        """Predicted ratings of pairs of ids, not clipped; shape [n]. An unseen id deviates by zero."""
        return self.mean + self.user[self.users.encode(users)] + self.experience[self.experiences.encode(experiences)]


def deviation(
    residual: NDArray[np.float64], rows: NDArray[np.int32], length: int, shrinkage: float
) -> NDArray[np.float64]:
    """Shrunk mean of the residuals of each row; 0 where a row has none.

    Args:
        residual: Shape [n].
        rows: Row of each residual, shape [n].
        length: Number of rows.
        shrinkage: Residuals of zero that each row is given to start with.
    """
    count = np.bincount(rows, minlength=length) + shrinkage
    total = np.bincount(rows, residual, length)
    means: NDArray[np.float64] = np.divide(total, count, out=np.zeros(length), where=count > 0)
    return means
