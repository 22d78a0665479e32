"""The ids that there are, ascending, and which of them some rows name: nine bytes for each, however many the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender_job.arrays import distinct
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.run_files import batches

Ids = NDArray[np.int64]


def known_ids(folder: RunFolder, name: str, column: str) -> Ids:
    """All ids in a column of a file of the run folder, ascending.

    Raises:
        ArtifactBroken: The file is missing or damaged, or lacks the column.
    """
    parts: list[NDArray[Any]] = [np.empty(0, np.int64)]
    for batch in batches(folder, name, [column]):
        with folder.reading(name):
            parts.append(batch.column(column).to_numpy())
    ids = np.concatenate(parts)
    ids.sort()
    return ids


def is_among(values: Ids, known: Ids) -> NDArray[np.bool_]:
    """Which of the values are known.

    Args:
        values: In any order.
        known: Ascending.
    """
    places = np.searchsorted(known, values)
    found = places < len(known)
    found[found] = known[places[found]] == values[found]
    return found


class Seen:
    """Which of the known ids have been seen so far.

    Args:
        known: Ascending, each once.
    """

    def __init__(self, known: Ids) -> None:
        self.known = known
        self._is_seen = np.zeros(len(known), bool)

    def add(self, values: Ids) -> None:
        """Sees these; what is not known is passed over."""
        values = distinct(values)
        self._is_seen[np.searchsorted(self.known, values[is_among(values, self.known)])] = True

    @property
    def count(self) -> int:
        """How many different ids have been seen."""
        return int(self._is_seen.sum())

    def in_common(self, other: Seen) -> int:
        """How many of them another, with the same known ids, has seen too."""
        return int((self._is_seen & other._is_seen).sum())
