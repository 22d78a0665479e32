"""Ratings as rows of tables of users and experiences; where they do not fit into memory, in files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.ranking.ids import UNSEEN, IdMap
from recommender_job.tables import EXPERIENCE, RATING, USER

#: Ratings that are worked on at once, so that what stands in memory beside long columns stays short.
PART = 2**20


@dataclass(frozen=True)
class Spill:
    """Where ratings lie that do not fit into memory.

    Args:
        folder: A local folder; nothing stays in it.
        window: Ratings that are in memory at once.
    """

    folder: Path
    window: int

    def array(self, length: int, kind: Any) -> NDArray[Any]:
        """Zeros that lie in a file without a name: it is gone when the array is."""
        with tempfile.TemporaryFile(dir=self.folder) as file:
            return np.memmap(file, kind, "w+", shape=(length,))


@dataclass(frozen=True)
class Encoded:
    """Ratings, 12 bytes each.

    Args:
        users: Ids of the rows of a table of users.
        experiences: Likewise.
        user: Row of each rating's user, int32 of shape [n].
        experience: Likewise.
        rating: float32 of shape [n].
    """

    users: IdMap
    experiences: IdMap
    user: NDArray[np.int32]
    experience: NDArray[np.int32]
    rating: NDArray[np.float32]

    @classmethod
    def of(
        cls,
        ratings: pd.DataFrame,
        spill: Spill | None = None,
        *,
        users: IdMap | None = None,
        experiences: IdMap | None = None,
    ) -> Encoded:
        """Encodes a frame of `user_id`, `experience_id`, `rating`.

        Args:
            ratings: The frame.
            spill: Where to put more ratings than its window; None: all are in memory.
            users: The table to point into; None: one of the users in the frame.
            experiences: Likewise.
        """
        user, experience = ratings[USER].to_numpy(), ratings[EXPERIENCE].to_numpy()
        rating = ratings[RATING].to_numpy(np.float32)
        users, experiences = (
            IdMap.of(user) if users is None else users,
            IdMap.of(experience) if experiences is None else experiences,
        )
        if spill is None or len(ratings) <= spill.window:
            return cls(users, experiences, users.encode(user), experiences.encode(experience), rating)
        spilt = spill.array(len(ratings), np.float32)
        spilt[:] = rating
        return cls(
            users,
            experiences,
            users.encode_into(user, spill.array(len(ratings), np.int32)),
            experiences.encode_into(experience, spill.array(len(ratings), np.int32)),
            spilt,
        )

    def rated_by(self, users: NDArray[np.int64]) -> pd.DataFrame:
        """`user_id`, `experience_id` of the ratings of some users, in the order of the ratings.

        Args:
            users: Ids; those without ratings have no rows.
        """
        wanted = np.zeros(len(self.users) + 1, bool)
        wanted[self.users.encode(users)] = True
        wanted[UNSEEN] = False
        places = [part.start + np.flatnonzero(wanted[self.user[part]]) for part in self.parts()]
        found = np.concatenate(places) if places else np.zeros(0, np.int64)
        columns = ((USER, self.users, self.user), (EXPERIENCE, self.experiences, self.experience))
        return pd.DataFrame({name: ids.ids[rows[found] - 1] for name, ids, rows in columns})

    def __len__(self) -> int:
        return len(self.rating)

    def parts(self) -> Iterator[slice]:
        """Where some ratings stand after each other, all of them in the end."""
        for start in range(0, len(self), PART):
            yield slice(start, min(start + PART, len(self)))

    @property
    def mean(self) -> float:
        """Mean rating."""
        return float(np.mean(self.rating, dtype=np.float64))

    @property
    def user_counts(self) -> NDArray[np.int64]:
        """Ratings of each row of the table of users."""
        return self._counts(self.user, len(self.users))

    @property
    def experience_counts(self) -> NDArray[np.int64]:
        """Ratings of each row of the table of experiences."""
        return self._counts(self.experience, len(self.experiences))

    def _counts(self, rows: NDArray[np.int32], length: int) -> NDArray[np.int64]:
        found = np.zeros(length + 1, np.int64)
        for part in self.parts():
            np.add.at(found, rows[part], 1)
        return found


def encoded(ratings: pd.DataFrame | Encoded) -> Encoded:
    """What is encoded already, or a frame of `user_id`, `experience_id`, `rating`, encoded in memory."""
    return ratings if isinstance(ratings, Encoded) else Encoded.of(ratings)
