"""How ratings are distributed, counted while they go by: by value where there are few, else by tenths of the scale."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: A scale of so many values or fewer is counted value by value.
MOST_VALUES = 20
BINS = 10


class Distribution:
    """Counts ratings.

    Args:
        scale: Lowest and highest rating.
    """

    def __init__(self, scale: tuple[float, float]) -> None:
        self.scale = scale
        self.ratings = 0
        self._bins = np.zeros(BINS, np.int64)
        self._values: Counter[float] = Counter()

    def add(self, ratings: NDArray[np.float32]) -> None:
        """Counts these too; none of them is NaN."""
        self.ratings += len(ratings)
        self._bins += np.bincount(bins_of(ratings, self.scale), minlength=BINS)
        if len(self._values) <= MOST_VALUES:  # of more, it does not matter how many
            values, counts = np.unique(ratings, return_counts=True)
            self._values.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))

    @property
    def shares(self) -> dict[str, Any]:
        """Shares of the ratings: of each value as `values` where there are few, else of equal `bins` of the `scale`."""
        if len(self._values) <= MOST_VALUES:
            return {"values": {f"{value:g}": count / self.ratings for value, count in sorted(self._values.items())}}
        return {"scale": list(self.scale), "bins": [float(share) for share in self._bins / self.ratings]}


def bins_of(values: NDArray[Any], scale: tuple[float, float]) -> NDArray[np.int64]:
    """The bin of each value, from 0; what lies outside the scale counts to the bin at its end."""
    low, high = scale
    # In the precision of ratings, so that a rating lies in the same bin wherever it was read from.
    bins: NDArray[np.int64] = np.clip((values.astype(np.float32) - low) / (high - low) * BINS, 0, BINS - 1).astype(
        np.int64
    )
    return bins
