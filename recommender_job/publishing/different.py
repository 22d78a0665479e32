"""Counts how many different lists there are, however many there are, in bounded memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recommender_job.arrays import Ints
from recommender_job.scoring.eligibility import mixed
from recommender_job.storage.buckets import Buckets

_PARTS = 64
_FIRST, _SECOND = "first", "second"


class Different:
    """Sets of numbers, told apart by two sums of 64 bits over their mixed members; their order does not matter.

    Args:
        scratch: A local folder that is not there yet.
    """

    def __init__(self, scratch: Path) -> None:
        self._marks = Buckets(scratch, _PARTS, [_FIRST, _SECOND])

    def add(self, owner: Ints, member: Ints) -> int:
        """Takes in the sets of some owners.

        Args:
            owner: Whose each member is, shape [k]; nobody who was there in an earlier call.
            member: Numbers, each once for an owner, shape [k].

        Returns:
            How many owners there are.
        """
        if not len(owner):
            return 0
        order = np.argsort(owner, kind="stable")
        owner, first = owner[order], mixed(member[order])
        starts = np.flatnonzero(np.diff(owner, prepend=owner[0] - 1))
        marks = [np.add.reduceat(values, starts) for values in (first, mixed(first.view(np.int64)))]
        self._marks.add((marks[0] % np.uint64(_PARTS)).astype(np.int64), *(mark.view(np.int64) for mark in marks))
        return len(starts)

    def count(self) -> int:
        """How many different sets there were."""
        return sum(len(self._marks.read(part).drop_duplicates()) for part in range(_PARTS))
