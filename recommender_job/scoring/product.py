"""Products of users' rows with a fixed matrix: the same to the bit for a user, whoever else is in the block.

BLAS may add up a row of a product in another order where more or fewer rows stand beside it, and some kernels do so by
the row's place. So rows are always multiplied in groups of one size, filled up with zeros, in fixed tiles of columns;
and the size is one for which this processor's kernel is seen not to care where a row stands.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

Floats = NDArray[np.float32]

#: Columns multiplied at once.
TILE = 2048
#: Rows multiplied at once, the fastest first; a row alone has no place to depend on.
GROUPS = (48, 8, 1)
#: With more columns than that, few users make a block, and filling up a large group would cost more than it saves.
MANY = 100_000


class Product:
    """A matrix to multiply rows with.

    Args:
        parts: float32 matrices of shape [k, m] that stand one on the other; the matrix has shape [f, m].
    """

    def __init__(self, parts: Sequence[Floats]) -> None:
        self._matrix = np.concatenate(parts)
        self.group = _group(self._matrix[:, :TILE], GROUPS[1:] if self._matrix.shape[1] > MANY else GROUPS)

    def into(self, rows: Floats, out: Floats, *, add: bool = False) -> None:
        """Writes `rows @ matrix`, or adds it.

        Args:
            rows: Shape [b, f], of which each row is multiplied as if it were alone.
            out: Shape [b, m].
            add: Whether to add.
        """
        matrix, group = self._matrix, self.group
        for first in range(0, len(rows), group):
            part = rows[first : first + group]
            real = len(part)
            if real < group:
                part = np.concatenate([part, np.zeros((group - real, rows.shape[1]), np.float32)])
            for start in range(0, matrix.shape[1], TILE):
                tile, place = matrix[:, start : start + TILE], out[first : first + real, start : start + TILE]
                if add:
                    place += np.matmul(part, tile)[:real]
                elif real == group:
                    np.matmul(part, tile, out=place)
                else:
                    place[:] = np.matmul(part, tile)[:real]

    def some(self, row: Floats, places: NDArray[np.int64]) -> Floats:
        """`row @ matrix[:, places]` for one row of shape [f]; shape [k].

        It may differ from `into` in the last bits.
        """
        found: Floats = row @ self._matrix[:, places]
        return found


def usable_threads(asked: int | None) -> int:
    """How many threads to use: as many as asked for, or else as the process may run at once."""
    return asked or len(os.sched_getaffinity(0))


def one_thread_each() -> AbstractContextManager[object]:
    """Within it, BLAS computes in the thread that calls it, so that how many there are changes no bit."""
    limits: AbstractContextManager[object] = threadpool_limits(1, user_api="blas")
    return limits


def _group(matrix: Floats, groups: Sequence[int]) -> int:
    """The first of the sizes at which a row's place in its group changes nothing, for matrices of this shape."""
    random = np.random.default_rng(0)
    matrix = random.standard_normal(matrix.shape, dtype=np.float32)
    for group in groups[:-1]:
        rows = random.standard_normal((group, len(matrix)), dtype=np.float32)
        order = random.permutation(group)
        alone = np.zeros_like(rows)
        alone[group // 2] = rows[0]
        whole = rows @ matrix
        if np.array_equal(whole[order], rows[order] @ matrix) and np.array_equal(
            whole[0], (alone @ matrix)[group // 2]
        ):
            return group
    return groups[-1]
