"""The ratings of a training as rows of its tables, in a new random order at each epoch; from the disk where need be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.ranking.encoded import Encoded, Spill
from recommender_job.ranking.ids import IdMap

#: Ratings that lie beside each other on the disk and are read together.
BLOCK = 8_192


class Shuffled:
    """Ratings, 12 bytes each.

    With more than `spill.window` of them they lie in files. An epoch then goes through windows: blocks of ratings in
    random order, as many as a window holds, are read and shuffled among each other. Otherwise the window is everything.

    Args:
        ratings: `user_id`, `experience_id`, `rating`.
        users: Rows of the tables of users.
        experiences: Likewise.
        spill: Where to put ratings beyond a number; None: all are in memory.
    """

    def __init__(self, ratings: pd.DataFrame, users: IdMap, experiences: IdMap, spill: Spill | None) -> None:
        self.pairs = Encoded.of(ratings, spill, users=users, experiences=experiences)
        self._window = max(1, spill.window // BLOCK) if spill and len(ratings) > spill.window else None
        if self._window is None:
            self._whole = self._tensors(slice(None))

    def epoch(self, random: np.random.Generator) -> Iterator[tuple[dict[str, Any], Any]]:
        """Windows that hold every rating once, together: tensors of `user`, `experience`, `rating`, and their order."""
        from recommender_job.ranking.tensorflow import tf

        if self._window is None:
            yield self._whole, tf.constant(_order(random, len(self.pairs)))
            return
        blocks = _order(random, -(-len(self.pairs) // BLOCK))
        for start in range(0, len(blocks), self._window):
            # Ascending inside a window: its own order is drawn below, and the disk is read forwards.
            chosen = np.sort(blocks[start : start + self._window]).astype(np.int64)
            rows = (chosen[:, None] * BLOCK + np.arange(BLOCK)).ravel()
            window = self._tensors(rows[rows < len(self.pairs)])
            yield window, tf.constant(_order(random, len(window["rating"])))

    def _tensors(self, rows: Any) -> dict[str, Any]:
        from recommender_job.ranking.tensorflow import tf

        pairs = self.pairs
        columns = {"user": pairs.user, "experience": pairs.experience, "rating": pairs.rating}
        return {name: tf.constant(np.asarray(column[rows])) for name, column in columns.items()}


def _order(random: np.random.Generator, count: int) -> NDArray[np.int32]:
    # The same order as `permutation(count)`, in half the memory.
    return random.permutation(np.arange(count, dtype=np.int32))
