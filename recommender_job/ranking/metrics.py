"""How far predictions are from ratings, and over how many pairs that was computed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender_job.errors import TrainingDiverged


@dataclass(frozen=True)
class ErrorFigures:
    """Sums over pairs, so that figures of parts add up.

    Args:
        n: Pairs.
        squared: Sum of squared errors.
        absolute: Sum of absolute errors.
    """

    n: int
    squared: float
    absolute: float

    @classmethod
    def of(cls, predicted: NDArray[Any], actual: NDArray[Any]) -> ErrorFigures:
        """The figures of predictions, both of shape [n].

        Raises:
            TrainingDiverged: A prediction is missing or not finite; a metric over the others would flatter.
        """
        missing = int(np.count_nonzero(~np.isfinite(predicted)))
        if missing or len(predicted) != len(actual):
            raise TrainingDiverged(
                f"Of {len(actual)} pairs, {len(actual) - len(predicted) + missing} have no finite prediction.",
                action="Lower `model.learning_rate` and train again.",
            )
        error = predicted.astype(np.float64) - actual.astype(np.float64)
        return cls(len(error), float(np.sum(error**2)), float(np.sum(np.abs(error))))

    @property
    def rmse(self) -> float:
        """Root of the mean squared error, in rating points; NaN without pairs."""
        return math.sqrt(self.squared / self.n) if self.n else math.nan

    @property
    def mae(self) -> float:
        """Mean absolute error, in rating points; NaN without pairs."""
        return self.absolute / self.n if self.n else math.nan

    def as_dict(self) -> dict[str, float | int | None]:
        """`rmse`, `mae` (None without pairs: JSON has no NaN) and `n`."""
        return {"rmse": self.rmse if self.n else None, "mae": self.mae if self.n else None, "n": self.n}
