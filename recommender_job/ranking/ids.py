"""Ids to table rows, once and strictly: an id that training did not see is `UNSEEN`, never somebody else's row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNSEEN = 0


@dataclass(frozen=True)
class IdMap:
    """The ids that training saw, ascending; an id's index is its place counted from 1.

    Args:
        ids: int64 of shape [n], strictly ascending.
    """

    ids: NDArray[np.int64]

    def __post_init__(self) -> None:
        if np.any(self.ids[1:] <= self.ids[:-1]):
            raise ValueError("ids must be strictly ascending")

    @classmethod
    def of(cls, ids: NDArray[np.int64]) -> IdMap:
        """The map of the distinct values of `ids`."""
        return cls(np.unique(ids))

    def __len__(self) -> int:
        return len(self.ids)

    def encode(self, ids: NDArray[np.int64]) -> NDArray[np.int32]:
        """Index of each id, `UNSEEN` for ids that training did not see."""
        if not len(self.ids):
            return np.full(len(ids), UNSEEN, np.int32)
        place = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[place] == ids, place + 1, UNSEEN).astype(np.int32)
