"""The choice of the model: planted worlds get what explains them, and every figure is that of a training of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender_job.config import Config
from recommender_job.ranking.bias import BiasModel
from recommender_job.ranking.folds import Fold, validation_folds
from recommender_job.ranking.recipe import BiasPart, Member
from recommender_job.ranking.selection import LUCK, choose
from recommender_job.ranking.trainer import Trainers
from recommender_job.ranking.training import fit
from tests.ranking import worlds
from tests.ranking.worlds import CANDIDATES, TWINS, choosing, without_seconds

BIAS = "user_experience_bias"


@pytest.fixture(scope="module")
def trainers() -> Trainers:
    """For all the worlds: they have the same users and experiences."""
    return Trainers(worlds.noise())


@pytest.fixture(scope="module")
def apart() -> Trainers:
    """What the figures are checked with."""
    return Trainers(worlds.noise())


def rmse(predicted: np.ndarray, folds: list[Fold]) -> float:
    actual = np.concatenate([fold.validation["rating"].to_numpy(np.float64) for fold in folds])
    return float(np.sqrt(np.mean((np.clip(predicted, 1, 5) - actual) ** 2)))


def of_network(member: Member, folds: list[Fold], apart: Trainers) -> np.ndarray:
    parts = []
    for training, validation in folds:
        model, _ = fit(training, member.settings, seed=member.seed, trainers=apart)
        parts.append(model.predict(validation["user_id"].to_numpy(), validation["experience_id"].to_numpy()))
    return np.concatenate(parts).astype(np.float64)


def of_bias(part: BiasPart, folds: list[Fold]) -> np.ndarray:
    parts = []
    for training, validation in folds:
        shrinkage = {"user_shrinkage": part.user_shrinkage, "experience_shrinkage": part.experience_shrinkage}
        model = BiasModel.fit(training, **shrinkage)
        parts.append(model.predict(validation["user_id"].to_numpy(), validation["experience_id"].to_numpy()))
    return np.concatenate(parts)


@pytest.mark.parametrize("seed", [42, 1, 2])
@pytest.mark.parametrize(
    ("make", "winner", "shrinkages"),
    [(worlds.biases, "biases", (1, 2)), (worlds.tastes, "factors", (10, 50)), (worlds.noise, "flat", (10, 50))],
)
def test_each_world_gets_what_explains_it(
    trainers: Trainers, make: Callable[[], pd.DataFrame], winner: str, shrinkages: tuple[float, float], seed: int
) -> None:
    config, ratings = choosing(seed=seed, **{"selection.close": 0.0, "selection.max_networks": 1}), make()
    members, bias, report = choose(validation_folds(ratings, config), len(ratings), config, trainers)
    assert [(member.name, member.seed, member.weight) for member in members] == [(winner, seed, 1.0)]
    assert report["chosen"] == {winner: 1.0}
    assert report["rmse"] == min(figures["rmse"] for figures in report["candidates"].values())
    # Where there are deviations they are hardly shrunk, and where there are none as much as can be.
    assert (bias.user_shrinkage, bias.experience_shrinkage, bias.weight) == (*shrinkages, 0.0)


@pytest.mark.parametrize("holdout", ["random", "last", "time"])
def test_every_figure_is_that_of_a_training_of_its_own(trainers: Trainers, apart: Trainers, holdout: str) -> None:
    config, ratings = choosing(holdout=holdout), worlds.noise()
    folds = validation_folds(ratings, config)
    members, bias, report = choose(folds, len(ratings), config, trainers)
    assert list(report["candidates"]) == list(CANDIDATES)
    for name, figures in report["candidates"].items():
        settings = config.selection.candidates[name].model.model_copy(update={"epochs": figures["epochs"]})
        member = Member(name=name, settings=settings, seed=config.seed, weight=1)
        assert figures["rmse"] == pytest.approx(rmse(of_network(member, folds, apart), folds), rel=1e-6), name
    assert report["bias"]["rmse"] == pytest.approx(rmse(of_bias(bias, folds), folds))
    firsts = [member for member in members if member.seed == config.seed]  # the figure is that of one seed of each
    parts = [report["chosen"][member.name] * of_network(member, folds, apart) for member in firsts]
    total = np.sum([*parts, bias.weight * of_bias(bias, folds)], axis=0)
    assert report["rmse"] == pytest.approx(rmse(total, folds), rel=1e-6)
    assert report["folds"] == len(folds) == 2
    assert report["validation_pairs"] == sum(len(fold.validation) for fold in folds)


@pytest.mark.parametrize(("seed", "alone"), [(42, True), (2, False)])
def test_the_close_ones_are_averaged_unless_the_best_is_better_than_luck_explains(
    trainers: Trainers, apart: Trainers, seed: int, alone: bool
) -> None:
    config, ratings = choosing(TWINS, seed=seed), worlds.noise()
    folds = validation_folds(ratings, config)
    members, bias, report = choose(folds, len(ratings), config, trainers)
    scores = {name: figures["rmse"] for name, figures in report["candidates"].items()}
    best = min(scores, key=lambda name: scores[name])
    close = sorted((name for name in scores if scores[name] <= 1.015 * scores[best]), key=lambda name: scores[name])
    assert 2 <= len(close) < len(TWINS)
    epochs = {name: figures["epochs"] for name, figures in report["candidates"].items()}
    settings = {
        name: config.selection.candidates[name].model.model_copy(update={"epochs": epochs[name]}) for name in close
    }
    predictions = [
        of_network(Member(name=name, settings=settings[name], seed=seed, weight=1), folds, apart) for name in close
    ]
    assert report["average"] == pytest.approx(rmse(np.mean(predictions, axis=0), folds), rel=1e-6)
    assert (scores[best] < report["average"] * (1 - LUCK)) == alone
    chosen = [best] if alone else close
    assert bias.weight == 0
    assert report["rmse"] == (scores[best] if alone else report["average"])
    assert report["chosen"] == dict.fromkeys(chosen, 1 / len(chosen))
    assert list(dict.fromkeys(member.name for member in members)) == chosen
    assert all(member.settings.epochs == epochs[member.name] for member in members)


def ranked(report: dict[str, Any]) -> list[str]:
    return sorted(report["candidates"], key=lambda name: report["candidates"][name]["rmse"])


@pytest.mark.parametrize(
    ("most", "pairs", "candidates", "seeds"),
    [
        (1, 500, 1, 1),
        (2, 500, 2, 1),
        (5, 500, 4, 1),
        (9, 500, 4, 2),
        (9, 250_000, 4, 1),  # a million network-pairs are allowed
        (9, 333_334, 2, 1),
        (9, 600_000, 1, 1),
        (9, 9_000_000, 1, 1),
    ],
)
def test_as_many_networks_as_allowed_of_the_best_and_then_of_further_seeds(
    trainers: Trainers, most: int, pairs: int, candidates: int, seeds: int
) -> None:
    config, ratings = choosing(TWINS, seed=2, **{"selection.max_networks": most}), worlds.noise()
    members, bias, report = choose(validation_folds(ratings, config), pairs, config, trainers)
    assert bias.weight == 0
    assert list(report["chosen"]) == ranked(report)[:candidates]
    assert report["seeds"] == seeds
    expected = [(name, 2 + i, 1 / candidates / seeds) for name in report["chosen"] for i in range(seeds)]
    assert [(member.name, member.seed, member.weight) for member in members] == expected


def test_a_network_that_cannot_do_what_the_bias_model_does_is_averaged_with_it(
    trainers: Trainers, apart: Trainers
) -> None:
    config, ratings = choosing({"flat": CANDIDATES["flat"]}, **{"selection.max_networks": 2}), worlds.biases()
    folds = validation_folds(ratings, config)
    members, bias, report = choose(folds, len(ratings), config, trainers)
    alone = of_network(members[0], folds, apart)
    scores = {w / 10: rmse((1 - w / 10) * alone + w / 10 * of_bias(bias, folds), folds) for w in range(1, 6)}
    assert bias.weight == min(scores, key=lambda weight: scores[weight])
    assert report["rmse"] == pytest.approx(scores[bias.weight], rel=1e-6)
    assert report["rmse"] < 0.6 * report["candidates"]["flat"]["rmse"]
    assert report["chosen"] == {"flat": 1 - bias.weight, BIAS: bias.weight}
    assert report["average"] is None
    # Each of its seeds has a share of what the bias model leaves.
    assert [(member.seed, member.weight) for member in members] == [(s, (1 - bias.weight) / 2) for s in (42, 43)]


def test_members_carry_the_shrinkages_that_were_found_best(trainers: Trainers) -> None:
    closed = {**CANDIDATES["factors"], "bias_terms": True, "biases": "closed_form"}
    config, ratings = choosing({"closed": closed}), worlds.biases()
    members, bias, _ = choose(validation_folds(ratings, config), len(ratings), config, trainers)
    assert {(member.settings.user_shrinkage, member.settings.experience_shrinkage) for member in members} == {(1, 2)}
    assert (bias.user_shrinkage, bias.experience_shrinkage) == (1, 2)


def outcome(config: Config, folds: list[Fold], trainers: Trainers) -> tuple[Any, ...]:
    members, bias, report = choose(folds, 500, config, trainers)
    return members, bias, without_seconds(report)


def test_nothing_but_the_folds_is_looked_at_and_they_are_left_as_they_are(trainers: Trainers) -> None:
    config = choosing()
    folds = validation_folds(worlds.biases(), config)
    before = [[part.copy() for part in fold] for fold in folds]
    expected = outcome(config, folds, trainers)
    elsewhere = Trainers(worlds.biases().assign(rating=np.float32("nan")))
    assert outcome(config, folds, elsewhere) == expected
    for fold, copies in zip(folds, before, strict=True):
        for part, copy in zip(fold, copies, strict=True):
            pd.testing.assert_frame_equal(part, copy)


def test_the_same_folds_give_the_same_choice_and_another_seed_other_figures(trainers: Trainers) -> None:
    folds = validation_folds(worlds.noise(), choosing())
    first = outcome(choosing(), folds, trainers)
    assert outcome(choosing(), folds, trainers) == first
    assert outcome(choosing(), folds, Trainers(worlds.noise())) == first
    assert outcome(choosing(seed=43), folds, trainers) != first
