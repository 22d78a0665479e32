"""What orders the experiences for a block of users, a stretch of experiences at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recommender_job.scoring.best import MULTIPLE, Best, Places
from recommender_job.scoring.product import Floats

#: Experiences whose values stand in memory at once. Always the same: the last bits depend on where a stretch begins.
STRETCH = 8192

#: Writes the values of some users of the block, by their places, for the experiences from a place on.
Fill = Callable[[Places, int, Floats], None]


class Order:
    """Values of every pair of a block, in which what a user may not have is not looked at.

    Where they fit into one stretch, they are computed once and kept.

    Args:
        users: How many.
        experiences: m.
        fill: Computes values.
        taken: Place of the user, ascending, and of the experience, of what users may not have.
        pinned: Places of experiences that stand apart, and are never among the best.
    """

    def __init__(self, users: int, experiences: int, fill: Fill, taken: tuple[Places, Places], pinned: Places) -> None:
        self._experiences, self._fill, self._taken, self._pinned = experiences, fill, taken, pinned
        self._all = np.arange(users)
        self._kept: Floats | None = None
        #: Values of the pinned experiences, shape [users, p]; -inf for what a user may not have. There from the first
        #: look at the best of all users on.
        self.pinned = np.empty((users, len(pinned)), np.float32)

    def best(self, users: Places, k: int) -> Best:
        """The k best of some users, by their places, ascending; at the first time, of all of them."""
        found = Best(len(users), k)
        if self._experiences <= STRETCH:
            if self._kept is None:
                self._kept = self._values(self._all, 0)
            found.add(self._kept if len(users) == len(self._all) else self._kept[users])
            return found
        for first in range(0, self._experiences, STRETCH):
            found.add(self._values(users, first), first)
        return found

    def _values(self, users: Places, first: int) -> Floats:
        columns = min(STRETCH, self._experiences - first)
        # With columns of -inf at the end so that rows can be folded.
        values = np.empty((len(users), -(-columns // MULTIPLE) * MULTIPLE), np.float32)
        values[:, columns:] = -np.inf
        self._fill(users, first, values[:, :columns])
        owner, place = self._taken
        if columns < self._experiences:
            row = np.searchsorted(users, owner).clip(max=len(users) - 1)
            here = (users[row] == owner) & (place >= first) & (place < first + columns)
            owner, place = row[here], place[here]
        values[owner, place - first] = -np.inf
        pins = np.flatnonzero((self._pinned >= first) & (self._pinned < first + columns))
        here = self._pinned[pins] - first
        self.pinned[users[:, None], pins] = values[:, here]
        values[:, here] = -np.inf
        return values
