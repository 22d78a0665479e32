"""The naive predictors, against values worked out by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from recommender_job.ranking.baselines import baseline_predictions

SCALE = (1.0, 5.0)
NAMES = ["global_mean", "user_mean", "experience_mean", "user_experience_bias"]


def pairs(*asked: tuple[int, int]) -> pd.DataFrame:
    return pd.DataFrame(asked, columns=["user_id", "experience_id"], index=range(100, 100 + len(asked)))


@pytest.fixture
def train(frame: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """Mean 3. User 1 rates 5 and 3, user 2 rates 1; experience 10 gets 5 and 1, experience 20 gets 3."""
    return frame([(1, 10, 5.0), (1, 20, 3.0), (2, 10, 1.0)])


def test_plain_means(train: pd.DataFrame) -> None:
    found = baseline_predictions(train, pairs((1, 10), (2, 20), (9, 10), (1, 99)), shrinkage=0, scale=SCALE)
    assert list(found) == NAMES
    assert found["global_mean"].tolist() == [3, 3, 3, 3]
    assert found["user_mean"].tolist() == [4, 1, 3, 4]
    assert found["experience_mean"].tolist() == [3, 3, 3, 3]


def test_shrinkage_pulls_every_deviation_to_the_mean(train: pd.DataFrame) -> None:
    found = baseline_predictions(train, pairs((1, 10), (2, 20), (9, 99)), shrinkage=2, scale=SCALE)
    # User 1 deviates by (2 + 0) / (2 + 2), user 2 by -2 / (1 + 2); both experiences deviate by 0.
    np.testing.assert_allclose(found["user_mean"], [3.5, 3 - 2 / 3, 3])
    np.testing.assert_allclose(found["experience_mean"], [3, 3, 3])


def test_both_biases_together_reproduce_a_world_made_of_them(frame: Callable[..., pd.DataFrame]) -> None:
    user, experience = {1: 0.5, 2: -0.5, 3: 0.0}, {10: 1.0, 20: -1.0, 30: 0.0}
    train = frame([(u, e, 3 + a + b) for u, a in user.items() for e, b in experience.items() if (u, e) != (3, 30)])
    asked = pairs((3, 30), (1, 10), (9, 20), (1, 99), (9, 99))
    found = baseline_predictions(train, asked, shrinkage=0, scale=SCALE)["user_experience_bias"]
    mean = float(train["rating"].mean())
    # Seen pairs and the one left out are exact; an unknown side deviates by zero.
    np.testing.assert_allclose(found[:2], [3.0, 4.5], atol=1e-4)
    np.testing.assert_allclose(found[4], mean)
    assert found[2] == pytest.approx(2.0, abs=0.15)


def test_the_fixed_point_of_both_biases_with_shrinkage(frame: Callable[..., pd.DataFrame]) -> None:
    # One rating each way; mean 3, residuals 1 and -1. b = (1 - a) / 2 and a = (1 - b) / 2 give a = b = 1/3.
    train = frame([(1, 10, 4.0), (2, 20, 2.0)])
    found = baseline_predictions(train, pairs((1, 10), (2, 20), (1, 20), (9, 10)), shrinkage=1, scale=SCALE)
    np.testing.assert_allclose(found["user_experience_bias"], [3 + 2 / 3, 3 - 2 / 3, 3, 3 + 1 / 3], atol=1e-6)


def test_predictions_stay_on_the_scale(frame: Callable[..., pd.DataFrame]) -> None:
    train = frame([(1, 10, 5.0), (1, 20, 3.0), (2, 10, 3.0), (3, 20, 1.0)])
    # User 1 +1, experience 10 +1 on a mean of 3 can exceed the narrower scale.
    found = baseline_predictions(train, pairs((1, 10), (3, 20)), shrinkage=0, scale=(2.0, 3.5))
    for name, values in found.items():
        assert values.min() >= 2.0, name
        assert values.max() <= 3.5, name
    assert found["user_mean"].tolist() == [3.5, 2.0]


def test_unknown_pairs_keep_their_place_and_nothing_is_missing(train: pd.DataFrame) -> None:
    before = train.copy()
    asked = pairs((9, 99), (2, 10), (9, 99))
    for name, values in baseline_predictions(train, asked, shrinkage=0.5, scale=SCALE).items():
        assert np.isfinite(values).all(), name
        assert values[0] == values[2] == 3.0, name
    pd.testing.assert_frame_equal(train, before)
