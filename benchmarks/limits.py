"""What bounds lists: the product of the factors, the way of the scores to memory and back, adding rows up for EASE."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from recommender_job.arrays import Floats
from recommender_job.scoring.product import one_thread_each

#: Users of a piece.
TOGETHER = 200


class Limits:
    """The least that scores of all pairs by factors can cost, each core at work.

    Args:
        left: Rows of the users, shape [n, f].
        right: Rows of the experiences, shape [m, f].
    """

    def __init__(self, left: Floats, right: Floats) -> None:
        self._left, self._matrix = left, np.ascontiguousarray(right.T)
        self._memory = np.empty((len(left), len(right)), np.float32)
        self._own = threading.local()
        self._pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))

    def product(self) -> None:
        """The product alone, as fast as BLAS makes it; the scores are overwritten in the cache."""
        self._each(self._multiply)

    def memory(self) -> None:
        """Every score is written to memory once, and read once."""
        self._each(self._write)
        self._each(self._read)

    def sums(self, matrix: Floats, each: int) -> None:
        """For each user, so many rows of a matrix that lie together are added up, as fast as BLAS does that."""
        each = min(each, len(matrix))
        rows = matrix[: len(matrix) // each * each].reshape(-1, each, matrix.shape[1])
        ones = np.ones(each, np.float32)

        def add(start: int) -> None:
            users = len(self._left[start : start + TOGETHER])
            for place in range(0, users, len(rows)):
                some = rows[: users - place]
                np.matmul(ones, some, out=self._scores(len(some)))

        self._each(add)

    def _each(self, work: Callable[[int], object]) -> None:
        with one_thread_each():
            list(self._pool.map(work, range(0, len(self._left), TOGETHER)))

    def _multiply(self, start: int) -> None:
        rows = self._left[start : start + TOGETHER]
        np.matmul(rows, self._matrix, out=self._scores(len(rows)))

    def _scores(self, users: int) -> Floats:
        """What a thread overwrites again and again."""
        if not hasattr(self._own, "scores"):
            self._own.scores = np.empty((TOGETHER, self._matrix.shape[1]), np.float32)
        scores: Floats = self._own.scores[:users]
        return scores

    def _write(self, start: int) -> None:
        self._memory[start : start + TOGETHER] = 1

    def _read(self, start: int) -> None:
        self._memory[start : start + TOGETHER].max(axis=1)
