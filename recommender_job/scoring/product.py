"""Products of users' rows with a fixed matrix: the same to the bit for a user, whoever else is in the block.

BLAS may add up a row of a product in another order where more or fewer rows stand beside it, and some kernels do so by
the row's place. So rows are always multiplied in groups of one size, filled up with zeros, in fixed tiles of columns;
and the size is one for which this processor's kernel is seen not to care where a row stands.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recommender_job.arrays import Floats

#: Columns multiplied at once.
TILE = 2048
#: Rows multiplied at once, the fastest first; a row alone has no place to depend on.
GROUPS = (96, 8, 1)
#: What is proven to stay below that is a finite float32 however it is added up.
LARGE = 1e38


class Product:
    """A matrix to multiply rows with.

    Args:
        parts: float32 matrices of shape [k, m] that stand one on the other; the matrix has shape [f, m].
    """

    def __init__(self, parts: Sequence[Floats]) -> None:
        self._matrix = np.concatenate(parts)
        self.group = _group(self._matrix[:, :TILE])
        self._length_bound = length_bound(self._matrix, axis=0)

    def surely_finite(self, length: float) -> bool:
        """Whether products with rows of that length at most are finite numbers for certain, by Cauchy and Schwarz.

        If not, they may still be.
        """
        return length * self._length_bound < LARGE

    def into(self, rows: Floats, out: Floats, first: int = 0, *, add: bool = False) -> None:
        """Writes `rows @ matrix[:, first : first + n]`, or adds it.

        Args:
            rows: Shape [b, f], of which each row is multiplied as if it were alone.
            out: Shape [b, n].
            first: Where the columns begin; where the same column is asked for from elsewhere, its last bits may differ.
            add: Whether to add.
        """
        group, (users, columns) = self.group, out.shape
        groups, whole = users // group, users // group * group
        grouped = rows[:whole].reshape(groups, group, rows.shape[1])
        last = np.zeros((group if whole < users else 0, rows.shape[1]), np.float32)
        last[: users - whole] = rows[whole:]
        for start in range(0, columns, TILE):
            tile = self._matrix[:, first + start : min(first + start + TILE, first + columns)]
            place = out[:, start : start + TILE]
            # One call for all groups: between calls, threads would wait for one another.
            if add:
                place[:whole] += np.matmul(grouped, tile).reshape(whole, tile.shape[1])
            else:
                np.matmul(grouped, tile, out=place[:whole].reshape(groups, group, tile.shape[1], copy=False))
            if len(last):
                found = np.matmul(last, tile)[: users - whole]
                place[whole:] = place[whole:] + found if add else found

    def some(self, rows: Floats, places: NDArray[np.int64]) -> Floats:
        """Of each row's product, the values at its own places; they may differ from those of `into` in the last bits.

        Args:
            rows: Shape [b, f].
            places: Shape [b, k].

        Returns:
            Shape [b, k]. A value depends on nothing but its row and its place.
        """
        found = np.zeros(places.shape, np.float32)
        for own, line in zip(rows.T, self._matrix, strict=True):
            found += own[:, None] * line[places]
        return found


def usable_threads(asked: int | None) -> int:
    """How many threads to use: as many as asked for, or else as the process may run at once."""
    return asked or len(os.sched_getaffinity(0))


def one_thread_each() -> AbstractContextManager[object]:
    """Within it, BLAS computes in the thread that calls it, so that how many there are changes no bit."""
    limits: AbstractContextManager[object] = threadpool_limits(1, user_api="blas")
    return limits


def length_bound(vectors: Floats, axis: int = 1) -> float:
    """A length that none of the vectors along an axis exceeds; not a number where one of them is none.

    It may be greater than the longest by the root of how many numbers a vector has: what is far from too large is all
    that anybody asks.
    """
    highest = max(float(vectors.max(initial=0)), -float(vectors.min(initial=0)))
    return highest * math.sqrt(vectors.shape[axis])


def _group(matrix: Floats) -> int:
    """The first of the sizes at which a row's place in its group changes nothing, for matrices of this shape."""
    random = np.random.default_rng(0)
    matrix = random.standard_normal(matrix.shape, dtype=np.float32)
    for group in GROUPS[:-1]:
        rows = random.standard_normal((group, len(matrix)), dtype=np.float32)
        order = random.permutation(group)
        alone = np.zeros_like(rows)
        alone[group // 2] = rows[0]
        whole = rows @ matrix
        if np.array_equal(whole[order], rows[order] @ matrix) and np.array_equal(
            whole[0], (alone @ matrix)[group // 2]
        ):
            return group
    return GROUPS[-1]
