"""Errors of predictions: those of scikit-learn, over all pairs or not at all."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from recommender_job.errors import TrainingDiverged
from recommender_job.ranking.metrics import ErrorFigures

RATING = st.floats(-10, 10, width=32)


def test_by_hand() -> None:
    figures = ErrorFigures.of(np.array([1.0, 4.0, 5.0]), np.array([4.0, 4.0, 1.0]))
    assert figures == ErrorFigures(3, 25.0, 7.0)
    assert figures.as_dict() == {"rmse": math.sqrt(25 / 3), "mae": 7 / 3, "n": 3}


@given(st.lists(st.tuples(RATING, RATING), min_size=1, max_size=50))
def test_as_scikit_learn_computes_them(pairs: list[tuple[float, float]]) -> None:
    predicted, actual = np.array(pairs, np.float32).T
    figures = ErrorFigures.of(predicted, actual)
    assert figures.rmse == pytest.approx(root_mean_squared_error(actual.astype(float), predicted.astype(float)))
    assert figures.mae == pytest.approx(mean_absolute_error(actual.astype(float), predicted.astype(float)))
    assert figures.n == len(pairs)


@pytest.mark.parametrize("missing", [math.nan, math.inf, -math.inf])
def test_a_missing_prediction_is_an_error(missing: float) -> None:
    with pytest.raises(TrainingDiverged, match="Of 3 pairs, 1 have no finite prediction"):
        ErrorFigures.of(np.array([1.0, missing, 2.0]), np.array([1.0, 2.0, 3.0]))


def test_fewer_predictions_than_ratings_are_an_error() -> None:
    with pytest.raises(TrainingDiverged, match="Of 3 pairs, 2 have no finite prediction"):
        ErrorFigures.of(np.array([1.0]), np.array([1.0, 2.0, 3.0]))


def test_without_pairs_there_is_no_figure() -> None:
    nothing = ErrorFigures.of(np.array([]), np.array([]))
    assert math.isnan(nothing.rmse)
    assert math.isnan(nothing.mae)
    assert nothing.as_dict() == {"rmse": None, "mae": None, "n": 0}


def test_large_sums_keep_their_digits() -> None:
    predicted, actual = np.full(2_000_000, 4.1, np.float32), np.full(2_000_000, 4.0, np.float32)
    assert ErrorFigures.of(predicted, actual).rmse == pytest.approx(float(np.float32(4.1)) - 4.0, rel=1e-9)
