"""The gate over many made-up nights: how often it stops a model that is as good as the others, and one that is not.

A challenger, a champion and a naive predictor that are equally good: the mean ratings of users in three independent
histories. The third history is the training part, so that the gate's own `user_mean` is one of the three.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from recommender_job.config import load_config
from recommender_job.evaluating.gate import rating_reasons
from recommender_job.evaluating.rating_figures import rating_figures
from recommender_job.ranking.bias import BiasModel
from recommender_job.ranking.predictor import Predictor

CONFIG = load_config(
    {"rating_min": -50, "rating_max": 50, "gate.max_rmse": 50, "gate.bias_shrinkage": 0, "evaluation.resamples": 400}
)
NOISE = 1.0


class Night:
    """One night's ratings. A fifth of the held-out users have no history."""

    def __init__(self, seed: int, users: int) -> None:
        self._random = np.random.default_rng(seed)
        self._taste = self._random.normal(0, 0.7, users)
        self._known = np.arange(users) >= users // 5
        self.holdout = self._rated(np.repeat(np.arange(users), self._random.integers(1, 6, users)))

    def history(self) -> pd.DataFrame:
        """Four ratings of every known user."""
        return self._rated(np.repeat(np.flatnonzero(self._known), 4))

    def _rated(self, users: np.ndarray) -> pd.DataFrame:
        rating = self._taste[users] + self._random.normal(0, NOISE, len(users))
        experiences = pd.Series(users).groupby(users).cumcount().to_numpy()
        return pd.DataFrame({"user_id": users, "experience_id": experiences, "rating": rating})


def user_means(history: pd.DataFrame, worse_by: float = 0.0, seed: int = 0) -> Predictor:
    """Predicts every user's mean, with an error of its own where it is to be worse."""
    model = BiasModel.fit(history, user_shrinkage=0, experience_shrinkage=1e12)
    random = np.random.default_rng(seed)
    known = np.arange(len(model.user)) > 0
    return Predictor(
        (),
        (
            1.0,
            BiasModel(
                model.users,
                model.experiences,
                model.mean,
                model.user + known * random.normal(0, worse_by, len(known)),
                model.experience,
            ),
        ),
    )


def judged(night: Night, with_champion: bool, worse_by: float = 0.0) -> tuple[list[str], dict[str, Any]]:
    champion = user_means(night.history()) if with_champion else None
    challenger = user_means(night.history(), worse_by, seed=len(night.holdout))
    figures, _ = rating_figures(challenger, night.history(), night.holdout, CONFIG, champion)
    return rating_reasons(figures, CONFIG.gate), figures


@pytest.mark.parametrize("with_champion", [True, False])
def test_an_equal_model_is_stopped_in_one_night_of_twenty_at_most(with_champion: bool) -> None:
    nights = 400
    stopped, compared = 0, set()
    for seed in range(nights):
        reasons, figures = judged(Night(seed, users=150), with_champion)
        stopped += bool(reasons)
        compared |= {(found["with"], found["on"]) for found in figures["comparisons"]}
    # So many or more would be seen once in a thousand runs of a gate that stops one night of twenty.
    assert stopped <= binom.ppf(0.999, nights, CONFIG.gate.significance)
    expected = {("user_mean", "all"), ("user_mean", "known_users")}
    expected |= {("champion", "all"), ("champion", "known_users")} if with_champion else set()
    assert compared >= expected


@pytest.mark.parametrize("with_champion", [True, False])
def test_a_model_that_is_a_tenth_worse_is_stopped_nearly_always(with_champion: bool) -> None:
    stopped, ratios = 0, []
    for seed in range(40):
        # About 1,200 pairs. Among users with a history the others are off by 1 + 1/4 on average, squared.
        reasons, figures = judged(Night(1000 + seed, users=400), with_champion, worse_by=0.6)
        stopped += bool(reasons)
        best = min(figures["baselines"].values())
        ratios.append(figures["rmse"] / best)
    assert np.mean(ratios) == pytest.approx(1.1, abs=0.02)
    assert stopped >= 38


def test_a_model_that_is_better_is_never_stopped() -> None:
    for seed in range(40):
        night = Night(2000 + seed, users=150)
        truth = BiasModel.fit(
            pd.concat([night.history() for _ in range(10)]), user_shrinkage=0, experience_shrinkage=1e12
        )
        figures, _ = rating_figures(Predictor((), (1.0, truth)), night.history(), night.holdout, CONFIG)
        assert rating_reasons(figures, CONFIG.gate) == []
