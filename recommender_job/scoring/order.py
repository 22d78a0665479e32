"""What orders the experiences for a block of users, a stretch of experiences at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recommender_job.arrays import Floats
from recommender_job.scoring.best import MULTIPLE, Best, Places
from recommender_job.scoring.taken import Taken

#: Experiences whose values stand in memory at once. Always the same: the last bits depend on where a stretch begins.
STRETCH = 8192

#: Writes the values of some users of the block, by their places, for the experiences from a place on.
Fill = Callable[[Places, int, Floats], None]


@dataclass(frozen=True)
class Means:
    """How the values of a block are worked on; what comes out is the same.

    Args:
        together: Users whose values stand in memory at once.
        compiled: Whether loops are compiled, for which NumPy has no call.
    """

    together: int
    compiled: bool


class Order:
    """Values of every pair of a block, in which what a user may not have is not looked at.

    They are computed piece by piece, and again for users whose walk goes further: nobody's values are kept.

    Args:
        users: How many.
        experiences: m.
        fill: Computes values.
        taken: What users may not have.
        start: Place among the users of `taken` of the first of the block.
        pinned: Places of experiences that stand apart, and are never among the best.
        means: How they are worked on.
    """

    def __init__(
        self, users: int, experiences: int, fill: Fill, taken: Taken, start: int, pinned: Places, means: Means
    ) -> None:
        self._experiences, self._fill, self._pinned, self._means = experiences, fill, pinned, means
        self._taken, self._start = taken, start
        widest = _width(min(experiences, STRETCH))
        self._buffer = np.empty(min(users, means.together) * widest, np.float32)
        #: Values of the pinned experiences, shape [users, p]; -inf for what a user may not have. There from the first
        #: look at the best of all users on.
        self.pinned = np.empty((users, len(pinned)), np.float32)

    def best(self, users: Places, k: int) -> Best:
        """The k best of some users, by their places, ascending; at the first time, of all of them."""
        found, together = Best(len(users), k, compiled=self._means.compiled), self._means.together
        for start in range(0, len(users), together):
            own = users[start : start + together]
            for first in range(0, self._experiences, STRETCH):
                found.add(self._values(own, first), first, start)
        return found

    def _values(self, users: Places, first: int) -> Floats:
        columns = min(STRETCH, self._experiences - first)
        width = _width(columns)
        values = self._buffer[: len(users) * width].reshape(len(users), width)
        values[:, columns:] = -np.inf
        self._fill(users, first, values[:, :columns])
        self._taken.leave_out(values, users + self._start, first, compiled=self._means.compiled)
        if len(self._pinned):
            pins = np.flatnonzero((self._pinned >= first) & (self._pinned < first + columns))
            here = self._pinned[pins] - first
            self.pinned[users[:, None], pins] = values[:, here]
            values[:, here] = -np.inf
        return values


def _width(columns: int) -> int:
    """Columns of rows that can be folded.

    An odd multiple, or else the same column of many rows could share one place in a processor's cache: where it is a
    power of two, products take half as long again.
    """
    return (-(-columns // MULTIPLE) | 1) * MULTIPLE
