"""The choice of the model where time is short, candidates fail, or none suits."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from recommender_job.config import load_config
from recommender_job.errors import TrainingDiverged
from recommender_job.ranking.folds import Fold, validation_folds
from recommender_job.ranking.selection import choose, untried
from recommender_job.ranking.trainer import Trainers
from tests.ranking import worlds
from tests.ranking.worlds import CANDIDATES, SMALL, choosing, ticking, without_seconds

WILD = {**CANDIDATES["factors"], "learning_rate": 1e30}


@pytest.fixture(scope="module")
def ratings() -> pd.DataFrame:
    return worlds.tastes()


@pytest.fixture(scope="module")
def folds(ratings: pd.DataFrame) -> list[Fold]:
    return validation_folds(ratings, choosing())


@pytest.fixture(scope="module")
def trainers(ratings: pd.DataFrame) -> Trainers:
    return Trainers(ratings)


@pytest.mark.parametrize("count", [1, 2, 3, 99])
def test_when_the_budget_ends_the_best_so_far_is_taken(folds: list[Fold], trainers: Trainers, count: int) -> None:
    # The clock is looked at once before every candidate but the first, and twice for each.
    config = choosing(**{"selection.budget_seconds": 3 * count - 1})
    members, bias, report = choose(folds, 500, config, trainers, ticking())
    names = list(CANDIDATES)
    assert list(report["candidates"]) == names[:count]
    assert report["skipped"] == names[count:]
    assert sum(member.weight for member in members) + bias.weight == pytest.approx(1)
    assert ({member.name for member in members} == {"factors"}) == (count >= 3)
    assert all(figures["seconds"] == 1 for figures in report["candidates"].values())
    assert (report["average"] is None) == (count == 1)


def test_the_budget_counts_from_the_beginning(folds: list[Fold], trainers: Trainers) -> None:
    clock = ticking()
    for _ in range(1000):
        clock()
    report = choose(folds, 500, choosing(**{"selection.budget_seconds": 8}), trainers, clock)[2]
    assert list(report["candidates"]) == list(CANDIDATES)
    assert report["seconds"] == 9


def test_a_candidate_that_diverges_is_reported_and_changes_nothing(folds: list[Fold], trainers: Trainers) -> None:
    with_it = choosing({"wild": WILD, **CANDIDATES})
    members, bias, report = choose(folds, 500, with_it, trainers)
    assert report["candidates"]["wild"].keys() == {"diverged", "seconds"}
    assert report["candidates"]["wild"]["diverged"] is True
    del report["candidates"]["wild"]
    expected_members, expected_bias, expected = choose(folds, 500, choosing(), trainers)
    assert (members, bias) == (expected_members, expected_bias)
    assert without_seconds(report) == without_seconds(expected)


def test_when_all_diverge_it_is_told(folds: list[Fold], trainers: Trainers) -> None:
    with pytest.raises(TrainingDiverged, match="None of the candidates wild, wilder could be trained") as caught:
        choose(folds, 500, choosing({"wild": WILD, "wilder": {**WILD, "batch_size": 32}}), trainers)
    assert "ratings of absurd size" in caught.value.action


def test_a_budget_that_a_diverging_candidate_used_up_leaves_one_that_can_be_trained(
    folds: list[Fold], trainers: Trainers
) -> None:
    config = choosing({"wild": WILD, **CANDIDATES}, **{"selection.budget_seconds": 0.5})
    report = choose(folds, 500, config, trainers, ticking())[2]
    assert list(report["candidates"]) == ["wild", next(iter(CANDIDATES))]


def test_only_candidates_that_suit_so_many_pairs_are_tried(folds: list[Fold], trainers: Trainers) -> None:
    bounds: dict[str, dict[str, Any]] = {
        "any": {},
        "few": {"below_pairs": 500},
        "some": {"from_pairs": 500, "below_pairs": 501},
        "many": {"from_pairs": 501},
    }
    model = {**SMALL, "dot_product": False, "epochs": 1}
    config = load_config({"selection.candidates": {n: {"model": model, **b} for n, b in bounds.items()}})
    for pairs, suited in ((499, ["any", "few"]), (500, ["any", "some"]), (501, ["any", "many"])):
        report = choose(folds, pairs, config, trainers)[2]
        assert list(report["candidates"]) == suited
        assert report["skipped"] == []


def test_the_report_can_be_kept_as_json(folds: list[Fold], trainers: Trainers) -> None:
    report = choose(folds, 500, choosing({"wild": WILD, **CANDIDATES}), trainers)[2]
    assert report.keys() == {
        "seeds",
        "chosen",
        "rmse",
        "average",
        "candidates",
        "bias",
        "skipped",
        "folds",
        "validation_pairs",
        "seconds",
    }
    assert report["candidates"]["flat"].keys() == {"rmse", "epochs", "seconds"}
    assert report["bias"].keys() == {"rmse", "user_shrinkage", "experience_shrinkage"}
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_untried_is_the_first_that_suits_and_else_the_configured_model() -> None:
    many, few = {"from_pairs": 100, "model": {"epochs": 3}}, {"below_pairs": 50, "model": {"epochs": 2}}
    config = load_config({"selection.candidates": {"many": many, "few": few}, "model.seeds": 2, "seed": 7})
    for pairs, name, epochs in ((10, "few", 2), (100, "many", 3)):
        (member,) = untried(pairs, config)
        assert (member.name, member.settings.epochs, member.seed, member.weight) == (name, epochs, 7, 1.0)
    members = untried(70, config)
    assert [(member.name, member.seed, member.weight) for member in members] == [
        ("configured", 7, 0.5),
        ("configured", 8, 0.5),
    ]
