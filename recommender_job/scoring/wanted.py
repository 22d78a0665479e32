"""Relevance of blocks of users to a fixed set of experiences."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recommender_job.ranking.relevance import Features, RelevanceModel
from recommender_job.scoring.product import Floats, Product

#: Rows of the matrix that are added up at once.
TOGETHER = 64


class Wanted:
    """What relevance says of every pair of a block.

    Args:
        relevance: The model.
        experiences: Ids, ascending, shape [m].
    """

    def __init__(self, relevance: RelevanceModel, experiences: NDArray[np.int64]) -> None:
        self._matrix, self._popularity = relevance.columns(experiences)
        self._product = None
        if relevance.factors is not None:
            self._product = Product([self._matrix, self._popularity[None]])
            del self._matrix  # of a large catalogue, one copy is enough

    def into(self, features: Features, start: int, stop: int, out: Floats) -> None:
        """Writes the relevance of the users from `start` up to `stop`, shape [stop - start, m]."""
        rows = features.rows[start:stop]
        if self._product is not None:
            self._product.into(np.concatenate([rows, np.ones((len(out), 1), np.float32)], axis=1), out)
            return
        out[:] = self._popularity
        if not isinstance(rows, np.ndarray):
            # Interactions are ones. SciPy's product would keep the other threads waiting.
            for user, row in enumerate(out):
                own = rows.indices[rows.indptr[user] : rows.indptr[user + 1]]
                for first in range(0, len(own), TOGETHER):
                    row += np.add.reduce(np.take(self._matrix, own[first : first + TOGETHER], axis=0), axis=0)
