"""Calibration: is what is predicted as 4.2 rated 4.2 on average."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 10


def calibration(predicted: NDArray[np.float64], actual: NDArray[np.float64]) -> dict[str, Any]:
    """Predictions in ten groups of about equal size, from the lowest to the highest.

    Args:
        predicted: Shape [n], n at least 1.
        actual: Ratings, shape [n].

    Returns:
        `bins`: `n`, mean `predicted` and mean `rated` of each group (fewer groups where predictions repeat);
        `error`: mean distance of the two over all pairs, in rating points; `slope` and `intercept` of the line of
        ratings on predictions (1 and 0 are best; None where all predictions are the same).
    """
    edges = np.unique(np.quantile(predicted, np.linspace(0, 1, BINS + 1)[1:-1]))
    group = np.searchsorted(edges, predicted, side="right")
    bins = [
        {
            "n": int(np.count_nonzero(group == place)),
            "predicted": float(predicted[group == place].mean()),
            "rated": float(actual[group == place].mean()),
        }
        for place in np.unique(group)
    ]
    error = sum(part["n"] * abs(part["predicted"] - part["rated"]) for part in bins) / len(predicted)
    spread = float(np.var(predicted))
    slope = intercept = None
    if spread > 1e-12:
        slope = float(np.mean((predicted - predicted.mean()) * (actual - actual.mean())) / spread)
        intercept = float(actual.mean() - slope * predicted.mean())
    return {"bins": bins, "error": error, "slope": slope, "intercept": intercept}
