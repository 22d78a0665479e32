"""Pinned experiences and caps of groups, on blocks of values.

Candidates are found by walking down an order from the pinned experiences on, passing over what would be one too many of
its group. Nobody's walk goes far: so the first of the order are looked at, and more only for those who need more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recommender_job.arrays import Floats
from recommender_job.scoring.best import Places
from recommender_job.scoring.order import Order
from recommender_job.scoring.rules import Rules

#: Columns looked at at once, of all users that look; at least one user's.
LOOKED_AT = 2**19


class Offering:
    """The rules for a fixed set of m experiences.

    Pinned experiences are counted as columns 0 to p - 1, in their order, the others as p + place; `none`, which is
    higher, stands for nothing. So where values are equal, the lower column goes first.

    Args:
        rules: Of the scored experiences; None: there are none.
        experiences: m.
    """

    def __init__(self, rules: Rules | None, experiences: int) -> None:
        self.pinned = rules.pinned if rules else np.zeros(0, np.int64)
        self._cap = rules.max_per_group if rules else None
        self.pins = len(self.pinned)
        self.none = self.pins + experiences
        self._places = np.concatenate([self.pinned, np.arange(experiences), [0]])
        if rules and self._cap:
            self._group = np.concatenate([rules.group[self.pinned], rules.group, [-1]])
            if np.bincount(rules.group).max(initial=0) <= self._cap:
                self._cap = None  # it binds nobody

    def places(self, columns: Places) -> Places:
        """Places of the experiences; 0 for `none`."""
        return self._places[columns]

    def walk(self, order: Order, users: int, k: int) -> tuple[Places, Floats]:
        """The first k columns of each user's walk, or `none` where nothing is left.

        Args:
            order: What orders the walk.
            users: How many.
            k: 1 to m.

        Returns:
            The columns, and their values in the order; shape [users, k] each. No value where there is no column.
        """
        everybody = np.arange(users)
        if not self.pins and self._cap is None:
            best = order.best(everybody, k)
            return np.where(best.there, best.places, self.none), best.values
        found, values = np.full((users, k), self.none), np.empty((users, k), np.float32)
        asking, seen = everybody, k if self._cap is None else min(2 * k, self.none - self.pins)
        together = users
        while len(asking):
            further = []
            for start in range(0, len(asking), together):
                own = asking[start : start + together]
                found[own], values[own], more = self._step(order, own, seen, k)
                further.append(own[more])
            asking = np.concatenate(further) if seen < self.none - self.pins else asking[:0]
            seen = min(4 * seen, self.none - self.pins)
            together = max(LOOKED_AT // seen, 1)
        return found, values

    def _step(self, order: Order, users: Places, seen: int, k: int) -> tuple[Places, Floats, NDArray[np.bool_]]:
        """The first k of so many columns' walks, their values, and who must look further."""
        best = order.best(users, seen)
        pinned, there = order.pinned[users], best.there
        front = np.where(pinned > -np.inf, np.arange(self.pins), self.none)
        columns = np.concatenate([front, np.where(there, best.places + self.pins, self.none)], axis=1)
        allowed = self._allowed(columns)
        first = np.argsort(~allowed, axis=1, kind="stable")[:, :k]
        values = np.take_along_axis(np.concatenate([pinned, best.values], axis=1), first, axis=1)
        found = np.where(
            np.take_along_axis(allowed, first, axis=1), np.take_along_axis(columns, first, axis=1), self.none
        )
        # Who has fewer than k of so many has seen everything, or must look further.
        return found, values, (found[:, -1] == self.none) & there[:, -1]

    def _allowed(self, columns: Places) -> NDArray[np.bool_]:
        """Which columns of a walk are not one too many of their group, nor `none`."""
        real = columns < self.none
        if self._cap is None:
            return real
        group = self._group[columns]
        order = np.argsort(group, axis=1, kind="stable")
        group = np.take_along_axis(group, order, axis=1)
        place = np.broadcast_to(np.arange(group.shape[1]), group.shape)
        begins = np.concatenate([np.ones((len(group), 1), np.bool_), group[:, 1:] != group[:, :-1]], axis=1)
        earlier = np.empty(group.shape, np.int64)
        since = place - np.maximum.accumulate(np.where(begins, place, 0), axis=1)
        np.put_along_axis(earlier, order, since, axis=1)
        return real & (earlier < self._cap)
