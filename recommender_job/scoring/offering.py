"""Pinned experiences and caps of groups, on blocks of values.

Candidates are found by walking down an order from the pinned experiences on, passing over what would be one too many of
its group. Nobody's walk goes far: so the first of the order are looked at, and more only for those who need more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recommender_job.scoring.best import Places, best
from recommender_job.scoring.product import Floats
from recommender_job.scoring.rules import Rules


class Offering:
    """The rules for a fixed set of m experiences.

    Pinned experiences are counted as columns 0 to p - 1, in their order, the others as p + place; `none`, which is
    higher, stands for nothing. So where values are equal, the lower column goes first.

    Args:
        rules: Of the scored experiences; None: there are none.
        experiences: m.
    """

    def __init__(self, rules: Rules | None, experiences: int) -> None:
        self._pinned = rules.pinned if rules else np.zeros(0, np.int64)
        self._cap = rules.max_per_group if rules else None
        self.pins = len(self._pinned)
        self.none = self.pins + experiences
        self._places = np.concatenate([self._pinned, np.arange(experiences), [0]])
        if rules and self._cap:
            self._group = np.concatenate([rules.group[self._pinned], rules.group, [-1]])
            if np.bincount(rules.group).max(initial=0) <= self._cap:
                self._cap = None  # it binds nobody

    def places(self, columns: Places) -> Places:
        """Places of the experiences; 0 for `none`."""
        return self._places[columns]

    def walk(self, values: Floats, k: int) -> Places:
        """The first k columns of each row's walk, or `none` where nothing is left.

        Args:
            values: What orders the walk, shape [b, m or more], C-contiguous; -inf for what a user may not have.
            k: 1 to m.
        """
        if not self.pins and self._cap is None:
            places, there = best(values, k)
            return np.where(there, places, self.none)
        kept = values[:, self._pinned]
        values[:, self._pinned] = -np.inf
        front = np.where(kept > -np.inf, np.arange(self.pins), self.none)
        found = np.full((len(values), k), self.none)
        asking, seen = np.arange(len(values)), k if self._cap is None else min(2 * k, self.none - self.pins)
        while len(asking):
            others, there = best(values if len(asking) == len(values) else values[asking], seen)
            columns = np.concatenate([front[asking], np.where(there, others + self.pins, self.none)], axis=1)
            allowed = self._allowed(columns)
            first = np.argsort(~allowed, axis=1, kind="stable")[:, :k]
            found[asking] = np.where(
                np.take_along_axis(allowed, first, axis=1), np.take_along_axis(columns, first, axis=1), self.none
            )
            # Who has fewer than k of so many has seen everything, or must look further.
            asking = asking[(found[asking, -1] == self.none) & there[:, -1]]
            asking = asking if seen < self.none - self.pins else asking[:0]
            seen = min(4 * seen, self.none - self.pins)
        values[:, self._pinned] = kept
        return found

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
