"""Figures of predicted ratings: by hand, and against scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from recommender_job.config import load_config
from recommender_job.errors import TrainingDiverged
from recommender_job.evaluating.bootstrap import Bootstrap, interval
from recommender_job.evaluating.calibration import calibration
from recommender_job.evaluating.rating_figures import rating_figures
from recommender_job.ranking.baselines import baseline_predictions
from tests.evaluating.worlds import predictor, ratings

CONFIG = load_config({"evaluation.resamples": 200})
BASELINES = ["global_mean", "user_mean", "experience_mean", "user_experience_bias"]
TRAINING = ratings([(10, 7, 5.0), (20, 9, 3.0), (20, 7, 4.0), (30, 9, 5.0)])
PAIRS = ratings([(10, 9, 4.0), (99, 7, 4.0), (10, 98, 3.0), (30, 7, 5.0)])
#: Predicts 3, 3.5 for a stranger, 4 for a strange experience, and 6.5, which is clipped to 5: off by 1, 0.5, 1 and 0.
MODEL = predictor(3.0, {10: 1.0, 20: -0.5, 30: 3.0}, {7: 0.5, 9: -1.0})


def part(rmse: float, mae: float, n: int) -> dict[str, Any]:
    return {"rmse": pytest.approx(rmse), "mae": pytest.approx(mae), "n": n}


def test_errors_and_slices_by_hand() -> None:
    figures, _ = rating_figures(MODEL, TRAINING, PAIRS, CONFIG)
    assert {key: figures[key] for key in ("rmse", "mae", "n")} == part(0.75, 0.625, 4)
    assert figures["slices"] == {
        "known_users": part(np.sqrt(2 / 3), 2 / 3, 3),
        "unknown_users": part(0.5, 0.5, 1),
        "known_experiences": part(np.sqrt(1.25 / 3), 0.5, 3),
        "unknown_experiences": part(1, 1, 1),
    }
    assert figures["by_rating"] == {
        "3": part(1, 1, 1),
        "4": part(np.sqrt(1.25 / 2), 0.75, 2),
        "5": part(0, 0, 1),
    }
    # Users 10 and 30 have one rating each, user 99 none; experiences 7 and 9 have two, 98 none.
    assert figures["by_user_ratings"] == {"0": part(0.5, 0.5, 1), "1": part(np.sqrt(2 / 3), 2 / 3, 3)}
    assert figures["by_experience_ratings"] == {"0": part(1, 1, 1), "2-3": part(np.sqrt(1.25 / 3), 0.5, 3)}


def test_every_other_predictor_has_an_interval_of_its_own() -> None:
    champion = predictor(3.0, {}, {})
    figures, predictions = rating_figures(MODEL, TRAINING, PAIRS, CONFIG, champion)
    assert list(figures["other_intervals"]) == [*BASELINES, "champion"]
    bootstrap = Bootstrap(PAIRS["user_id"].to_numpy(), resamples=200, seed=CONFIG.seed)
    for name, found in figures["other_intervals"].items():
        squared = (predictions[name] - PAIRS["rating"]).to_numpy(np.float64) ** 2
        assert found == pytest.approx(interval(bootstrap.rmse(squared), 0.95), abs=1e-6)


def test_every_class_of_activity() -> None:
    numbers = [0, 1, 2, 3, 4, 9, 10, 29, 30, 99, 100, 150]
    training = ratings([(user, e, 4.0) for user, number in enumerate(numbers) for e in range(number)])
    pairs = ratings([(user, 500, 4.0) for user in range(len(numbers))])
    figures, _ = rating_figures(predictor(4.0, {}, {}), training, pairs, CONFIG)
    sizes = {name: found["n"] for name, found in figures["by_user_ratings"].items()}
    assert sizes == {"0": 1, "1": 1, "2-3": 2, "4-9": 2, "10-29": 2, "30-99": 2, "100+": 2}
    assert {name: found["n"] for name, found in figures["by_experience_ratings"].items()} == {"0": 12}


def test_a_slice_without_pairs_has_no_figure() -> None:
    figures, _ = rating_figures(MODEL, TRAINING, PAIRS.iloc[[0]], CONFIG)
    assert figures["slices"]["unknown_users"] == {"rmse": None, "mae": None, "n": 0}
    assert figures["slices"]["known_users"]["n"] == 1
    assert list(figures["by_user_ratings"]) == ["1"]


def test_ratings_on_a_fine_scale_are_not_told_apart() -> None:
    pairs = ratings([(user, 7, 1 + user / 10) for user in range(21)])
    assert rating_figures(MODEL, TRAINING, pairs, CONFIG)[0]["by_rating"] == {}
    twenty, _ = rating_figures(MODEL, TRAINING, pairs.iloc[:20], CONFIG)
    assert list(twenty["by_rating"])[:3] == ["1", "1.1", "1.2"]


def world() -> tuple[pd.DataFrame, pd.DataFrame]:
    random = np.random.default_rng(1)
    pairs = ratings([(int(u), e, float(random.integers(1, 6))) for e in range(10) for u in random.permutation(60)[:25]])
    held = random.random(len(pairs)) < 0.3
    return pairs[~held].reset_index(drop=True), pairs[held].reset_index(drop=True)


def test_figures_and_predictions_against_scikit_learn() -> None:
    training, pairs = world()
    model = predictor(3.5, {user: (user - 30) / 20 for user in range(50)}, {e: e / 9 for e in range(8)})
    champion = predictor(3.0, {}, {})
    figures, kept = rating_figures(model, training, pairs, CONFIG, champion)
    pd.testing.assert_frame_equal(kept[list(pairs)], pairs)
    assert list(kept) == [*pairs, "predicted_rating", *BASELINES, "champion"]
    assert kept["predicted_rating"].dtype == np.float32
    assert kept["predicted_rating"].between(1, 5).all()
    naive = baseline_predictions(training, pairs, shrinkage=2.0, scale=(1.0, 5.0))
    for name in BASELINES:
        np.testing.assert_array_equal(kept[name], naive[name])
        assert figures["baselines"][name] == pytest.approx(root_mean_squared_error(pairs["rating"], kept[name]))
        assert figures["baselines_mae"][name] == pytest.approx(mean_absolute_error(pairs["rating"], kept[name]))
    for found, column in ((figures, "predicted_rating"), (figures["champion"], "champion")):
        assert found["rmse"] == pytest.approx(root_mean_squared_error(pairs["rating"], kept[column]))
        assert found["mae"] == pytest.approx(mean_absolute_error(pairs["rating"], kept[column]))
        assert found["n"] == len(pairs)
    predicted, actual = kept["predicted_rating"].to_numpy(np.float64), pairs["rating"].to_numpy(np.float64)
    assert figures["calibration"] == calibration(predicted, actual)
    low, high = figures["rmse_interval"]
    assert low < figures["rmse"] < high


def test_the_champion_is_kept_on_the_scale() -> None:
    _, kept = rating_figures(MODEL, TRAINING, PAIRS, CONFIG, predictor(9.0, {10: -20.0}, {}))
    assert kept["champion"].tolist() == [1, 5, 1, 5]


def test_without_a_champion_there_is_no_such_column() -> None:
    figures, kept = rating_figures(MODEL, TRAINING, PAIRS, CONFIG)
    assert figures["champion"] is None
    assert list(kept)[-5:] == ["predicted_rating", *BASELINES]


def test_the_naive_predictors_are_pulled_to_the_mean_as_configured() -> None:
    plain, _ = rating_figures(MODEL, TRAINING, PAIRS, load_config({"gate.bias_shrinkage": 1}))
    # Mean 4.25: user 10 deviates by 0.75 / 2, user 30 likewise, user 99 by nothing.
    errors = [4.625 - 4, 4.25 - 4, 4.625 - 3, 4.625 - 5]
    assert plain["baselines"]["user_mean"] == pytest.approx(np.sqrt(np.mean(np.square(errors))))
    assert plain["baselines"]["global_mean"] == pytest.approx(np.sqrt((0.0625 * 2 + 1.25**2 + 0.75**2) / 4))


def test_a_missing_prediction_is_an_error() -> None:
    model = predictor(3.0, {10: np.nan, 30: 1.0}, {7: 0.5})
    with pytest.raises(TrainingDiverged, match="Of 4 pairs, 2 have no finite prediction"):
        rating_figures(model, TRAINING, PAIRS, CONFIG)
    with pytest.raises(TrainingDiverged, match="Of 4 pairs, 2 have no finite prediction"):
        rating_figures(MODEL, TRAINING, PAIRS, CONFIG, champion=model)
