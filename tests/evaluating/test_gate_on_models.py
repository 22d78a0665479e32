"""The gate on models that were really trained: it knows a decent one from those that must not reach the website."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender_job.config import Config, load_config
from recommender_job.evaluating.gate import rating_reasons, verdict
from recommender_job.evaluating.list_figures import list_figures
from recommender_job.evaluating.rating_figures import rating_figures
from recommender_job.ranking.bias import BiasModel
from recommender_job.ranking.ids import IdMap
from recommender_job.ranking.predictor import Predictor, train_predictor
from recommender_job.ranking.recipe import Member, Recipe, RelevancePart
from recommender_job.ranking.relevance import RelevanceModel, train_relevance
from recommender_job.ranking.trainer import Trainers
from recommender_job.ratings.split import split
from tests.evaluating.worlds import taste_world

SETTINGS: dict[str, Any] = {
    "model.embedding_dimension": 8, "model.hidden_layers": (16,), "model.epochs": 15, "model.learning_rate": 0.01,
    "model.biases": "closed_form", "evaluation.resamples": 1000,
    "gate.max_rmse": 2,
}  # fmt: skip
CONFIG = load_config(SETTINGS)


class World:
    """A thousand people's ratings, and models trained on them."""

    def __init__(self) -> None:
        self.training, self.holdout = split(taste_world(1000, 80, seed=1), "last", share=0.2, seed=0)
        self._trainers = Trainers(self.training)
        self.champion = self.trained(self.training, seed=100)
        self.decent = self.trained(self.training, seed=1)
        self.relevance = train_relevance(self.training, RelevancePart(), seed=1)

    def trained(self, ratings: pd.DataFrame, seed: int) -> Predictor:
        recipe = Recipe(members=(Member(name="small", settings=CONFIG.model, seed=seed, weight=1.0),))
        return train_predictor(ratings, recipe, trainers=self._trainers)[0]

    def verdict(
        self,
        challenger: Predictor,
        champion: Predictor | None = None,
        relevance: RelevanceModel | None = None,
        config: Config = CONFIG,
    ) -> dict[str, Any]:
        figures, _ = rating_figures(challenger, self.training, self.holdout, config, champion)
        lists, _ = list_figures(challenger, relevance or self.relevance, self.training, self.holdout, config)
        return verdict({**figures, "lists": lists, "champion_is": "trained" if champion else "none"}, config.gate)


@pytest.fixture(scope="module")
def world() -> World:
    """Trained once for the module."""
    return World()


@pytest.mark.parametrize("with_champion", [True, False])
def test_a_decent_model_passes(world: World, with_champion: bool) -> None:
    found = world.verdict(world.decent, world.champion if with_champion else None)
    assert found["reasons"] == []
    # It is decent: better than what is naive, and with lists that people want.
    assert found["rmse"] < min(found["baselines"].values())
    assert found["lists"]["model"]["recall@10"] > 1.2 * found["lists"]["popularity"]["recall@10"]
    assert len(found["comparisons"]) == 1 + with_champion


def test_the_champion_itself_passes(world: World) -> None:
    found = world.verdict(world.champion, world.champion)
    assert found["reasons"] == []
    assert found["comparisons"][1]["difference"] == 0


def test_a_model_trained_on_shuffled_ratings_is_stopped(world: World) -> None:
    shuffled = np.random.default_rng(3).permutation(world.training["rating"].to_numpy())
    found = world.verdict(world.trained(world.training.assign(rating=shuffled), seed=1), world.champion)
    assert [reason.split("worse than ")[1].split("'s")[0] for reason in found["reasons"]] == [
        "user_experience_bias",
        "champion",
    ]
    first_night = world.verdict(world.trained(world.training.assign(rating=shuffled), seed=1))
    assert not first_night["passed"]


def test_ratings_that_were_shuffled_at_the_source_are_stopped(world: World) -> None:
    """Then the naive predictors know nothing either; guessing the mean still beats a model that learns noise."""
    shuffled = world.training.assign(rating=np.random.default_rng(3).permutation(world.training["rating"].to_numpy()))
    challenger, champion = (world.trained(shuffled, seed=seed) for seed in (1, 2))
    figures, _ = rating_figures(challenger, shuffled, world.holdout, CONFIG, champion)
    (reason,) = rating_reasons(figures, CONFIG.gate)
    assert "significantly worse than global_mean" in reason


@pytest.mark.parametrize("rating", ["mean", "most"])
def test_a_constant_predictor_is_stopped(world: World, rating: str) -> None:
    given = world.training["rating"]
    value = float(given.mean() if rating == "mean" else given.mode()[0])
    nobody = IdMap(np.array([], np.int64))
    constant = Predictor((), (1.0, BiasModel(nobody, nobody, value, np.zeros(1), np.zeros(1))))
    found = world.verdict(constant)
    assert any("significantly worse than user_experience_bias" in reason for reason in found["reasons"])


def test_a_model_that_knows_the_older_half_only_is_stopped(world: World) -> None:
    older = world.training.iloc[: len(world.training) // 2]
    found = world.verdict(world.trained(older, seed=1), world.champion)
    assert any("significantly worse than champion" in reason for reason in found["reasons"])
    assert found["rmse"] > found["champion_rmse"]


def test_lists_by_the_quality_of_experiences_alone_are_stopped(world: World) -> None:
    """What the original job did, with a model that knows experiences only."""
    bias = BiasModel.fit(world.training, user_shrinkage=1e12, experience_shrinkage=5)
    config = load_config({**SETTINGS, "candidates_per_user": "all"})
    found = world.verdict(Predictor((), (1.0, bias)), config=config)
    assert any("Lists hold" in reason for reason in found["reasons"])
    assert any("the same for nearly everybody" in reason for reason in found["reasons"]), found["lists"]


def test_lists_by_popularity_are_stopped_as_the_same_for_everybody(world: World) -> None:
    popularity = train_relevance(world.training, RelevancePart(method="popularity"), seed=1)
    found = world.verdict(world.decent, relevance=popularity)
    assert any("the same for nearly everybody" in reason for reason in found["reasons"]), found["lists"]
