"""The gate on predicted ratings: what is too far off, and what is worse than the others by more than chance."""

from __future__ import annotations

import math

import pytest

from recommender_job.evaluating.gate import rating_reasons
from recommender_job.settings import GateConfig
from tests.evaluating.judged import GATE, compared, metrics


@pytest.mark.parametrize("rmse", [0.0, 0.5, 0.9])
def test_passes_up_to_and_including_the_bound(rmse: float) -> None:
    assert rating_reasons(metrics(rmse=rmse), GATE) == []


@pytest.mark.parametrize("rmse", [0.9001, math.inf, math.nan])
def test_blocks_above_the_bound_and_what_is_no_number(rmse: float) -> None:
    assert rating_reasons(metrics(rmse=rmse), GATE) == [f"RMSE {rmse:.4f} is above the bound gate.max_rmse 0.9."]


def test_blocks_what_is_significantly_worse_than_the_best_naive_predictor() -> None:
    assert rating_reasons(metrics(compared()), GATE) == [
        "RMSE 0.8500 on all 1,234 held-out pairs is significantly worse than user_mean's 0.8000: by 0.0500, interval"
        " 0.0400 to 0.0600."
    ]


def test_blocks_what_is_significantly_worse_than_the_champion_on_known_users_alone() -> None:
    worse = compared(**{"with": "champion", "on": "known_users", "n": 300})
    assert rating_reasons(metrics(compared(difference=-0.01, chance=0.9), worse), GATE) == [
        "RMSE 0.8500 on the 300 held-out pairs of known users is significantly worse than champion's 0.8000: by 0.0500,"
        " interval 0.0400 to 0.0600."
    ]


def test_worse_by_chance_or_not_worse_passes() -> None:
    assert rating_reasons(metrics(compared(chance=0.05)), GATE) == []
    assert rating_reasons(metrics(compared(chance=0.0499)), GATE) != []
    assert rating_reasons(metrics(compared(difference=0.0, chance=0.001)), GATE) == []
    assert rating_reasons(metrics(compared(difference=-0.1, chance=0.001)), GATE) == []


def test_the_significance_is_shared_out_among_the_comparisons() -> None:
    fine = [compared(chance=1.0)] * 3
    assert rating_reasons(metrics(compared(chance=0.0126), *fine), GATE) == []
    assert len(rating_reasons(metrics(compared(chance=0.0124), *fine), GATE)) == 1
    assert rating_reasons(metrics(compared(chance=0.0124), *fine), GateConfig(significance=0.01)) == []
    assert rating_reasons(metrics(compared(chance=0.09)), GateConfig(significance=0.1)) != []


def test_few_users_prove_nothing() -> None:
    assert rating_reasons(metrics(compared(users=29)), GATE) == []
    assert len(rating_reasons(metrics(compared(users=30)), GATE)) == 1
    # Many pairs of few users are few users; what many say still counts, and so does the bound.
    few = compared(**{"on": "known_users", "users": 29, "n": 100_000})
    assert len(rating_reasons(metrics(compared(users=30), few), GATE)) == 1
    assert rating_reasons(metrics(few, rmse=0.95), GATE) == ["RMSE 0.9500 is above the bound gate.max_rmse 0.9."]


def test_a_comparison_that_is_no_number_blocks() -> None:
    nothing = compared(rmse=math.nan, difference=math.nan, interval=(math.nan, math.nan), chance=math.nan)
    assert len(rating_reasons(metrics(nothing), GATE)) == 1
