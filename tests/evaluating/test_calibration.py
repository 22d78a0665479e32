"""Calibration: by hand, and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LinearRegression

from recommender_job.evaluating.calibration import BINS, calibration


def test_by_hand() -> None:
    # Ten groups of two, whose predictions lie half a point above what was rated; the last group is right.
    predicted = np.arange(20) / 5
    actual = predicted - 0.5
    actual[-2:] = predicted[-2:]
    found = calibration(predicted, actual)
    assert [part["n"] for part in found["bins"]] == [2] * BINS
    assert found["bins"][0] == {"n": 2, "predicted": pytest.approx(0.1), "rated": pytest.approx(-0.4)}
    assert found["bins"][9] == {"n": 2, "predicted": pytest.approx(3.7), "rated": pytest.approx(3.7)}
    assert found["error"] == pytest.approx(0.5 * 18 / 20)


def test_groups_as_scikit_learn_makes_them() -> None:
    random = np.random.default_rng(1)
    predicted = random.beta(2, 5, 1234)
    actual = (random.random(1234) < predicted**2).astype(float)
    rated, mean = calibration_curve(actual, predicted, n_bins=BINS, strategy="quantile")
    bins = calibration(predicted, actual)["bins"]
    np.testing.assert_allclose([part["rated"] for part in bins], rated)
    np.testing.assert_allclose([part["predicted"] for part in bins], mean)
    assert sum(part["n"] for part in bins) == 1234
    assert {part["n"] for part in bins} <= {123, 124}


def test_the_line_is_that_of_least_squares() -> None:
    random = np.random.default_rng(2)
    predicted = random.normal(4, 0.3, 500)
    actual = 1 + 0.7 * predicted + random.normal(0, 0.5, 500)
    line = LinearRegression().fit(predicted[:, None], actual)
    found = calibration(predicted, actual)
    assert found["slope"] == pytest.approx(line.coef_[0])
    assert found["intercept"] == pytest.approx(line.intercept_)


def test_what_is_right_has_no_error() -> None:
    rated = np.random.default_rng(3).integers(1, 6, 400).astype(float)
    found = calibration(rated, rated)
    assert found["error"] == 0
    assert (found["slope"], found["intercept"]) == (pytest.approx(1), pytest.approx(0))


def test_errors_that_cancel_out_within_a_group_are_no_error_of_calibration() -> None:
    predicted = np.repeat(np.arange(1, 11), 2).astype(float)
    found = calibration(predicted, predicted + np.tile([1, -1], 10))
    assert found["error"] == pytest.approx(0)
    # What lies above in one group and below in another does not cancel out.
    shifted = predicted + np.where(predicted < 5.5, 0.25, -0.25)
    assert calibration(predicted, shifted)["error"] == pytest.approx(0.25)


@pytest.mark.parametrize("n", [1, 5])
def test_the_same_prediction_for_everything(n: int) -> None:
    actual = np.arange(1, n + 1).astype(float)
    assert calibration(np.full(n, 4.25), actual) == {
        "bins": [{"n": n, "predicted": 4.25, "rated": pytest.approx(actual.mean())}],
        "error": pytest.approx(abs(4.25 - actual.mean())),
        "slope": None,
        "intercept": None,
    }


def test_predictions_that_repeat_stay_in_one_group() -> None:
    predicted = np.array([3.0] * 30 + [4.0] * 5 + [5.0] * 65)
    found = calibration(predicted, np.full(100, 4.0))["bins"]
    assert [(part["n"], part["predicted"]) for part in found] == [(30, 3.0), (5, 4.0), (65, 5.0)]
