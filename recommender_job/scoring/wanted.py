"""Relevance of blocks of users to a fixed set of experiences."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.arrays import Floats
from recommender_job.ranking.relevance import RelevanceModel
from recommender_job.scoring.product import Product, length_bound
from recommender_job.scoring.taken import Taken

#: Rows of the matrix that are added up at once.
TOGETHER = 64

#: What relevance knows of some users: factors of shape [users, f], or what they have rated, as places in its matrix.
Known = Floats | Taken


class Wanted:
    """What relevance says of every pair of a block.

    Args:
        relevance: The model.
        experiences: Ids, ascending, shape [m].
    """

    def __init__(self, relevance: RelevanceModel, experiences: NDArray[np.int64]) -> None:
        self._relevance = relevance
        matrix, self._popularity = relevance.columns(experiences)
        self._product = Product([matrix, self._popularity[None]]) if relevance.factors is not None else None
        # Of a large catalogue, one copy is enough; a part of it, even an empty one, would keep all of it.
        self._matrix = matrix if self._product is None else np.zeros((0, len(experiences)), np.float32)

    def known(self, users: NDArray[np.int64], rated: pd.DataFrame, threads: int, *, compiled: bool = False) -> Known:
        """What relevance knows of users, ascending, by their ids and by `user_id`, `experience_id` of their ratings."""
        model = self._relevance
        if model.factors is not None:
            own = model.factors[model.users.encode(users)]
            return np.concatenate([own, np.ones((len(own), 1), np.float32)], axis=1)
        if not len(model.matrix):
            return np.zeros((len(users), 0), np.float32)
        return Taken.of([rated], users, model.experiences.ids, threads, compiled=compiled)

    def into(
        self, known: Known, start: int, users: NDArray[np.int64], out: Floats, first: int = 0, *, compiled: bool = False
    ) -> bool:
        """Writes the relevance of some users and of the experiences from `first` on.

        Args:
            known: Of all users.
            start: Place of the block's first user.
            users: Places in the block, ascending, shape [b].
            out: Shape [b, n].
            first: Place of the first experience.
            compiled: Whether to let `compiled.rows` do what it can; the bits are the same.

        Returns:
            Whether what is written is finite for certain.
        """
        if self._product is not None and isinstance(known, np.ndarray):
            rows = known[start + users]
            self._product.into(rows, out, first)
            return self._product.surely_finite(length_bound(rows))
        out[:] = self._popularity[first : first + out.shape[1]]
        if isinstance(known, Taken):
            matrix = self._matrix[:, first : first + out.shape[1]]
            owners, rated = known.within(start + int(users[0]), start + int(users[-1]) + 1)
            begins, ends = np.searchsorted(owners, [users - users[0], users - users[0] + 1])
            if compiled and out.shape[1] > 1:  # of a single column, NumPy adds up in another order
                from recommender_job.scoring.compiled.rows import add_rows

                add_rows(out, matrix, begins, ends, rated, TOGETHER)
                return False
            for row, begin, end in zip(out, begins.tolist(), ends.tolist(), strict=True):
                # Interactions are ones. SciPy's product would keep the other threads waiting.
                for part in range(begin, end, TOGETHER):
                    row += np.add.reduce(matrix[rated[part : min(part + TOGETHER, end)]], axis=0)
        return False
