"""How far figures would move with other users: the bootstrap, which draws users again with their ratings.

Ratings of one user resemble each other, so that drawing single ratings would make every interval too narrow.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recommender_job.arrays import Values

#: More users than that are put into so many groups, which are drawn instead; the intervals hardly differ.
GROUPS = 2_000


class Bootstrap:
    """Resamples of users, the same ones for every figure, so that figures can be compared pair by pair.

    Args:
        users: User of each value, shape [n], n at least 1.
        resamples: How many to draw.
        seed: Same users, number and seed: same resamples.
    """

    def __init__(self, users: NDArray[np.int64], *, resamples: int, seed: int) -> None:
        distinct, codes = np.unique(users, return_inverse=True)
        random = np.random.default_rng(seed)
        count = len(distinct)
        if count > GROUPS:
            codes = random.permutation(count)[codes] % GROUPS
            count = GROUPS
        self._codes = codes
        self._draws = random.multinomial(count, np.full(count, 1 / count), size=resamples).astype(np.float64)

    def means(self, values: Values) -> Values:
        """The mean in each resample; shape [resamples]. NaN in a resample that drew none of them.

        Args:
            values: Shape [n]; NaN where a value does not count.
        """
        counted = np.isfinite(values)
        size = self._draws.shape[1]
        total = np.bincount(self._codes, np.where(counted, values, 0.0), size)
        number = np.bincount(self._codes, counted, size)
        with np.errstate(invalid="ignore"):
            means: Values = (self._draws @ total) / (self._draws @ number)
        return means

    def rmse(self, squared_errors: Values) -> Values:
        """The root of the mean squared error in each resample."""
        root: Values = np.sqrt(self.means(squared_errors))
        return root


def interval(resampled: Values, level: float) -> tuple[float, float] | None:
    """The percentile interval; None where no resample has a figure.

    Args:
        resampled: A figure in each resample; NaN does not count.
        level: Confidence, in (0, 1).
    """
    found = resampled[np.isfinite(resampled)]
    if not len(found):
        return None
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def chance(differences: Values) -> float:
    """One-sided p-value of "greater than zero": how often a resample's difference is zero or less.

    Args:
        differences: In each resample; NaN counts as zero.
    """
    return (1 + int(np.count_nonzero(~(differences > 0)))) / (1 + len(differences))


def chance_beside_the_best(differences: Values, observed: Values, best: int) -> float:
    """The same for the difference to the best of several, which was chosen by the very pairs it is compared on.

    The luckiest of several that are equally good lies below them. So its difference is held to how far any of theirs
    strays from what was observed, each in units of its own spread (the step of Romano and Wolf, 2005). Of one alone it
    is what `chance` gives.

    Args:
        differences: To each of them, in each resample; shape [k, resamples]. NaN counts as far away.
        observed: On all pairs; shape [k].
        best: Place of the best among them.
    """
    found = np.isfinite(differences)
    spread = np.array([row[here].std() if here.any() else 0.0 for row, here in zip(differences, found, strict=True)])
    if not spread[best]:
        return chance(differences[best])
    moves = spread > 0  # what never strays tells nothing
    away = np.where(found[moves], (observed[moves, None] - differences[moves]) / spread[moves, None], np.inf)
    farther = away.max(axis=0) >= observed[best] / spread[best]
    return (1 + int(np.count_nonzero(farther))) / (1 + len(farther))
