"""The gate: what it lets pass, what it stops, and what the person on call reads then."""

from __future__ import annotations

import math

import pytest

from recommender_job.config import GateConfig
from recommender_job.errors import GateBlocked
from recommender_job.ranking.gate import judge, raise_if_blocked, table, verdict

GATE = GateConfig(max_rmse=0.9)


@pytest.mark.parametrize(("rmse", "mean"), [(0.5, 0.8), (0.9, 0.95), (0.8, 0.8), (0.0, 0.0)])
def test_passes_up_to_and_including_both_bounds(rmse: float, mean: float) -> None:
    assert judge(rmse, {"global_mean": mean}, GATE) == []


def test_blocks_above_the_bound() -> None:
    assert judge(0.91, {"global_mean": 1.0}, GATE) == ["RMSE 0.9100 is above the bound gate.max_rmse 0.9."]


def test_blocks_what_is_worse_than_always_guessing_the_mean() -> None:
    reasons = judge(0.8, {"global_mean": 0.7999, "user_mean": 0.1}, GATE)
    assert reasons == ["RMSE 0.8000 is worse than always guessing the mean, 0.7999."]


def test_both_reasons_are_told() -> None:
    assert len(judge(2.0, {"global_mean": 1.0}, GATE)) == 2


@pytest.mark.parametrize(
    ("rmse", "mean", "reasons"),
    [(math.nan, 0.5, 2), (0.5, math.nan, 1), (math.nan, math.nan, 2), (math.inf, 1.0, 2), (math.inf, math.inf, 1)],
)
def test_what_is_no_number_blocks(rmse: float, mean: float, reasons: int) -> None:
    assert len(judge(rmse, {"global_mean": mean}, GATE)) == reasons


def test_other_baselines_do_not_decide() -> None:
    assert judge(0.5, {"global_mean": 0.6, "user_mean": 0.1, "user_experience_bias": 0.2}, GATE) == []


METRICS = {"rmse": 0.95, "mae": 0.5, "n": 1234, "baselines": {"global_mean": 0.9, "user_mean": 0.85}, "slices": {}}


def test_the_verdict_carries_the_figures() -> None:
    figures = verdict(METRICS, GATE)
    assert figures["passed"] is False
    assert len(figures["reasons"]) == 2
    assert {key: figures[key] for key in ("rmse", "n", "baselines")} == {
        "rmse": 0.95,
        "n": 1234,
        "baselines": {"global_mean": 0.9, "user_mean": 0.85},
    }
    passed = verdict({**METRICS, "rmse": 0.5}, GATE)
    assert passed["passed"] is True
    assert passed["reasons"] == []
    raise_if_blocked(passed)


def test_the_error_shows_the_reasons_and_the_table() -> None:
    figures = verdict(METRICS, GATE)
    with pytest.raises(GateBlocked) as caught:
        raise_if_blocked(figures)
    text = str(caught.value)
    for part in (*figures["reasons"], table(figures), "The website keeps the active publication."):
        assert part in text
    assert caught.value.figures == figures


def test_the_table() -> None:
    lines = [line.rstrip() for line in table(METRICS).splitlines()]
    assert lines == [
        "  RMSE on 1234 pairs",
        "  challenger              0.9500",
        "  global_mean             0.9000",
        "  user_mean               0.8500",
    ]
