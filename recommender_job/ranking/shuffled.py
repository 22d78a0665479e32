"""The ratings of a training as rows of its tables, in a new random order at each epoch; from the disk where need be."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.ranking.ids import IdMap
from recommender_job.tables import EXPERIENCE, RATING, USER

#: Ratings that lie beside each other on the disk and are read together.
BLOCK = 8_192


@dataclass(frozen=True)
class Spill:
    """Where ratings lie that do not fit into memory.

    Args:
        folder: A local folder; every training cleans up behind itself.
        window: Ratings that are in memory at once, at least one block of them.
    """

    folder: Path
    window: int


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
        self._count = len(ratings)
        self._window = max(1, spill.window // BLOCK) if spill and len(ratings) > spill.window else None
        self._folder = tempfile.mkdtemp(dir=spill.folder) if spill and self._window else None
        self.users = users.encode_into(ratings[USER].to_numpy(), self._empty("user", np.int32))
        self.experiences = experiences.encode_into(ratings[EXPERIENCE].to_numpy(), self._empty("experience", np.int32))
        self.ratings = ratings[RATING].to_numpy(np.float32)
        if self._folder:
            mapped = self._empty("rating", np.float32)
            mapped[:] = self.ratings
            self.ratings = mapped
        else:
            self._whole = self._tensors(slice(None))

    def epoch(self, random: np.random.Generator) -> Iterator[tuple[dict[str, Any], Any]]:
        """Windows that hold every rating once, together: tensors of `user`, `experience`, `rating`, and their order."""
        from recommender_job.ranking.tensorflow import tf

        if self._window is None:
            yield self._whole, tf.constant(_order(random, self._count))
            return
        blocks = _order(random, -(-self._count // BLOCK))
        for start in range(0, len(blocks), self._window):
            # Ascending inside a window: its own order is drawn below, and the disk is read forwards.
            chosen = np.sort(blocks[start : start + self._window]).astype(np.int64)
            rows = (chosen[:, None] * BLOCK + np.arange(BLOCK)).ravel()
            pairs = self._tensors(rows[rows < self._count])
            yield pairs, tf.constant(_order(random, len(pairs["rating"])))

    def close(self) -> None:
        """Deletes the files."""
        if self._folder:
            shutil.rmtree(self._folder)

    def _empty(self, name: str, kind: Any) -> NDArray[Any]:
        if self._folder is None:
            return np.zeros(self._count, kind)
        return np.memmap(Path(self._folder) / name, kind, "w+", shape=(self._count,))

    def _tensors(self, rows: Any) -> dict[str, Any]:
        from recommender_job.ranking.tensorflow import tf

        columns = {"user": self.users, "experience": self.experiences, "rating": self.ratings}
        return {name: tf.constant(np.asarray(column[rows])) for name, column in columns.items()}


def _order(random: np.random.Generator, count: int) -> NDArray[np.int32]:
    # The same order as `permutation(count)`, in half the memory.
    return random.permutation(np.arange(count, dtype=np.int32))
