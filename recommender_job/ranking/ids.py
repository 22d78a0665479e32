"""Ids to table rows, once and strictly: an id that training did not see is `UNSEEN`, never somebody else's row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender_job.arrays import distinct

UNSEEN = 0
#: Ids that are looked at at once, so that what stands in memory beside a long column stays short.
BLOCK = 2**20
#: Blocks whose distinct ids are in memory at once.
MERGED = 16


@dataclass(frozen=True)
class IdMap:
    """The ids that training saw, ascending; an id's index is its place counted from 1.

    Args:
        ids: int64 of shape [n], strictly ascending.
    """

    ids: NDArray[np.int64]

    def __post_init__(self) -> None:
        for start in range(0, len(self.ids), BLOCK):
            part = self.ids[start : start + BLOCK + 1]
            if np.any(part[1:] <= part[:-1]):
                raise ValueError("ids must be strictly ascending")

    @classmethod
    def of(cls, ids: NDArray[np.int64]) -> IdMap:
        """The map of the distinct values of `ids`."""
        found = [distinct(ids[:BLOCK])]
        for start in range(BLOCK, len(ids), BLOCK):
            found.append(distinct(ids[start : start + BLOCK]))
            if len(found) == MERGED:
                found = [distinct(np.concatenate(found))]
        return cls(found[0] if len(found) == 1 else distinct(np.concatenate(found)))

    def __len__(self) -> int:
        return len(self.ids)

    def encode(self, ids: NDArray[np.int64]) -> NDArray[np.int32]:
        """Index of each id, `UNSEEN` for ids that training did not see."""
        return self.encode_into(ids, np.full(len(ids), UNSEEN, np.int32))

    def encode_into(self, ids: NDArray[np.int64], places: NDArray[np.int32]) -> NDArray[np.int32]:
        """Writes the index of each id into an array of the same length that is full of `UNSEEN`, and returns it."""
        if len(self.ids):
            for start in range(0, len(ids), BLOCK):
                part = ids[start : start + BLOCK]
                place = np.minimum(np.searchsorted(self.ids, part), len(self.ids) - 1)
                places[start : start + BLOCK] = np.where(self.ids[place] == part, place + 1, UNSEEN)
        return places
