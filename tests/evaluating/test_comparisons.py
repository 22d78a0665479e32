"""What the gate compares: which predictors, on which pairs, and how sure the difference is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import root_mean_squared_error

from recommender_job.config import load_config
from recommender_job.evaluating.rating_figures import rating_figures
from recommender_job.ranking.predictor import Predictor
from tests.evaluating.worlds import predictor, ratings

CONFIG = load_config({"evaluation.resamples": 200})
#: Every other user rates 5, the others 3: the mean is 4, and a user mean, pulled by two ratings of zero, is off by 1/3.
TRAINING = ratings([(user, e, 3.0 + 2 * (user % 2)) for user in range(40) for e in range(4)])
TASTES = {user: float(2 * (user % 2) - 1) for user in range(40)}
KNOWN = ratings([(user, 7, 3.0 + 2 * (user % 2)) for user in range(40)])
#: Ten strangers, who rate 4, and one who rates 5.
MIXED = pd.concat([KNOWN, ratings([(100 + n, 7, 4.0 + (n == 0)) for n in range(11)])], ignore_index=True)
EXACT = predictor(4.0, TASTES, {})
#: Off by 1/2 for every known user.
HALF = predictor(4.0, {user: taste / 2 for user, taste in TASTES.items()}, {})


def comparisons(model: Predictor, pairs: pd.DataFrame, champion: Predictor | None = None) -> list[dict[str, Any]]:
    return rating_figures(model, TRAINING, pairs, CONFIG, champion)[0]["comparisons"]


def test_with_the_best_naive_predictor_by_hand() -> None:
    (found,) = comparisons(HALF, KNOWN)
    assert found == {
        "on": "all",
        "users": 40,
        "with": "user_mean",
        "n": 40,
        "rmse": pytest.approx(0.5),
        "other_rmse": pytest.approx(1 / 3),
        "difference": pytest.approx(1 / 6),
        # As large for every user, so as large in every resample.
        "interval": pytest.approx((1 / 6, 1 / 6)),
        "chance": pytest.approx(1 / 201),
    }


def test_a_better_model_has_a_negative_difference() -> None:
    (found,) = comparisons(EXACT, KNOWN)
    assert found["difference"] == pytest.approx(-1 / 3)
    assert found["interval"] == pytest.approx((-1 / 3, -1 / 3))
    assert found["chance"] == 1.0


def test_known_users_are_compared_on_too_where_there_are_others() -> None:
    found = comparisons(HALF, MIXED, champion=EXACT)
    assert [(each["on"], each["with"], each["n"]) for each in found] == [
        ("all", "user_mean", 51),
        ("all", "champion", 51),
        ("known_users", "user_mean", 40),
        ("known_users", "champion", 40),
    ]
    # Strangers are predicted as 4 by everybody: eleven pairs with one error of 1.
    every = [np.sqrt((40 * squared + 1) / 51) for squared in (1 / 4, 1 / 9, 0)]
    assert [each["rmse"] for each in found] == pytest.approx([every[0], every[0], 0.5, 0.5])
    assert [each["other_rmse"] for each in found] == pytest.approx([every[1], every[2], 1 / 3, 0])
    assert [each["difference"] for each in found] == pytest.approx(
        [every[0] - every[1], every[0] - every[2], 1 / 6, 1 / 2]
    )


def test_users_are_counted_once_however_many_pairs_they_have() -> None:
    again = ratings([(user, 8, 4.0) for user in [0, 1, 2, 100]])
    found = comparisons(HALF, pd.concat([MIXED, again], ignore_index=True))
    assert [(each["on"], each["users"], each["n"]) for each in found] == [("all", 51, 55), ("known_users", 40, 43)]


def test_each_part_is_compared_with_the_naive_predictor_that_is_best_on_it() -> None:
    # Twenty others love experience 8. So do a hundred strangers; the known users, of late, are indifferent.
    training = pd.concat([TRAINING, ratings([(200 + n, 8, 5.0) for n in range(20)])], ignore_index=True)
    pairs = ratings([(user, 8, 4.0) for user in range(40)] + [(1000 + n, 8, 5.0) for n in range(100)])
    figures, kept = rating_figures(EXACT, training, pairs, CONFIG, HALF)
    found = figures["comparisons"]
    assert [(each["on"], each["with"]) for each in found] == [
        ("all", "user_experience_bias"),
        ("all", "champion"),
        ("known_users", "global_mean"),
        ("known_users", "champion"),
    ]
    naive = ["global_mean", "user_mean", "experience_mean", "user_experience_bias"]
    for part, each in ((kept, found[0]), (kept[:40], found[2])):
        errors = [root_mean_squared_error(part["rating"], part[name]) for name in naive]
        assert each["other_rmse"] == pytest.approx(min(errors))
        assert each["with"] == naive[int(np.argmin(errors))]
    assert found[2]["other_rmse"] == pytest.approx((160 * 4 + 20 * 5) / 180 - 4)


def test_strangers_alone_are_no_reason_for_a_second_comparison() -> None:
    assert [found["on"] for found in comparisons(HALF, MIXED.iloc[40:])] == ["all"]


def test_the_best_naive_predictor_is_the_best_on_these_pairs() -> None:
    contrary = KNOWN.assign(rating=np.float32(8) - KNOWN["rating"])
    (found,) = comparisons(EXACT, contrary)
    assert found["with"] == "global_mean"
    assert found["other_rmse"] == pytest.approx(1.0)


def test_the_same_model_under_another_name() -> None:
    found = comparisons(HALF, MIXED, champion=predictor(4.0, {u: taste / 2 for u, taste in TASTES.items()}, {}))
    assert [each["on"] for each in found if each["with"] == "champion"] == ["all", "known_users"]
    for each in found[1::2]:
        assert (each["difference"], each["interval"], each["chance"]) == (0.0, (0.0, 0.0), 1.0)


def test_users_are_drawn_whole() -> None:
    """One user with many pairs weighs as one: his luck is not taken for everybody's."""
    many = ratings([(0, e, 3.0) for e in range(100, 200)])
    few = ratings([(user, 7, 3.0 + 2 * (user % 2)) for user in range(1, 40)])
    model = predictor(4.0, {**TASTES, 0: 0.0}, {})
    champion = predictor(4.0, {user: taste / 2 for user, taste in TASTES.items()}, {})
    found = comparisons(model, pd.concat([many, few], ignore_index=True), champion)[-1]
    assert found["difference"] > 0.3
    # He is left out of every third resample, where the model is the better one.
    assert found["chance"] == pytest.approx((1 - 1 / 40) ** 40, abs=0.1)


def test_the_same_figures_again() -> None:
    assert comparisons(HALF, MIXED, EXACT) == comparisons(HALF, MIXED, EXACT)
    uneven = predictor(4.0, {user: taste * (user % 5) / 4 for user, taste in TASTES.items()}, {})
    (one,) = comparisons(uneven, KNOWN)
    other = rating_figures(uneven, TRAINING, KNOWN, load_config({"evaluation.resamples": 200, "seed": 1}))[0]
    assert one["interval"] != other["comparisons"][0]["interval"]
    wide = rating_figures(uneven, TRAINING, KNOWN, load_config({"evaluation.resamples": 200, "evaluation.level": 0.99}))
    low, high = wide[0]["comparisons"][0]["interval"]
    assert low < one["interval"][0] < one["difference"] < one["interval"][1] < high
