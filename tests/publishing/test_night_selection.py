"""A night that chooses its model: what was compared is reported, and what was chosen is what is published."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recommender_job import nightly
from recommender_job.config import Config, load_config
from recommender_job.publishing.publications import live_recipe
from recommender_job.ranking.predictor import Predictor, train_predictor
from recommender_job.ranking.recipe import Recipe
from recommender_job.ranking.stages import load_recipe
from recommender_job.ratings.clean import CLEAN
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.importer import import_ratings
from recommender_job.ratings.sample import sample_ratings
from recommender_job.runs import Run
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database, plain_url

NIGHT = Run.at(datetime(2024, 1, 1, tzinfo=UTC))
TINY = {"embedding_dimension": 4, "hidden_layers": (8,), "epochs": 16, "learning_rate": 0.02}
CANDIDATES = {
    "dense": {"model": TINY},
    "factors": {"model": {**TINY, "dense": False}},
    "never": {"from_pairs": 10_000, "model": TINY},
}


@pytest.fixture
def configured(database: Database, tmp_path: Path) -> Callable[..., Config]:
    """Makes a configuration that says nothing of the model; sixty users' ratings lie in the source."""
    file = tmp_path / "sample.csv"
    sample_ratings(60, 20, seed=1).to_csv(file, index=False)
    import_ratings(database, file, Columns(), now=NIGHT.cutoff, scale=(1, 5))
    fixed = {"home": tmp_path / "home", "database_url": plain_url(database.url), "gate.max_rmse": 9, "top_n": 5}
    choice = {"selection.candidates": CANDIDATES, "selection.folds": 2, "selection.max_networks": 2}
    return lambda **settings: load_config({**fixed, **choice, "shards": 1, **settings})


def without_costs(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_costs(inner) for key, inner in value.items() if key not in ("seconds", "peak_mb")}
    return value


def test_the_choice_is_reported_and_refitted(configured: Callable[..., Config], database: Database) -> None:
    config = configured()
    assert config.chooses_model
    result = nightly.run_night(config, NIGHT)
    assert result["published"] is True
    found = result["metrics"]["selection"]
    assert found == result["stages"]["train"]["selection"]
    assert found["how"] == "chosen"
    tried, chosen = found["model"]["candidates"], found["model"]["chosen"]
    assert sorted(tried) == ["dense", "factors"]
    assert (found["model"]["folds"], found["model"]["skipped"]) == (2, [])
    assert sum(chosen.values()) == pytest.approx(1)
    assert all(figures["rmse"] > 0 and figures["seconds"] >= 0 for figures in tried.values())
    assert found["relevance"]["tried"] > 1

    folder = RunFolder(config.runs, NIGHT.folder)
    recipe = load_recipe(folder, nightly.CHALLENGER)
    weights = {"user_experience_bias": recipe.bias.weight} if recipe.bias.weight else {}
    for member in recipe.members:
        assert member.settings.epochs == tried[member.name]["epochs"]
        assert member.settings.dense == (member.name == "dense")
        weights[member.name] = weights.get(member.name, 0) + member.weight
    assert weights == pytest.approx(chosen)
    assert recipe.relevance.model_dump().items() <= found["relevance"].items()

    assert load_recipe(folder, nightly.FINAL) == recipe
    text = live_recipe(database)
    assert text is not None
    assert Recipe.model_validate_json(text) == recipe
    # What was published is the recipe followed on all ratings, not only on those of the training part.
    ratings = folder.read_frame(CLEAN)
    followed, _, _ = train_predictor(ratings, recipe)
    refit = result["stages"]["refit"]
    assert refit["pairs"] == len(ratings) > result["stages"]["train"]["pairs"]
    assert Predictor.load(folder, nightly.FINAL).version == followed.version == refit["model_version"]


def test_choosing_again_on_the_same_ratings_chooses_the_same(configured: Callable[..., Config]) -> None:
    config = configured()
    for stage in (nightly.extract, nightly.clean):
        stage(config, NIGHT)
    first, again = nightly.train(config, NIGHT), nightly.train(config, NIGHT)
    assert first["selection"]["how"] == "chosen"
    assert without_costs(again) == without_costs(first)


def test_beyond_a_size_the_champions_settings_are_kept(configured: Callable[..., Config]) -> None:
    one = {"selection.candidates": {"dense": CANDIDATES["dense"]}, "selection.max_networks": 1}
    large = configured(**one, **{"selection.once_above_pairs": 1})
    first = nightly.run_night(large, NIGHT)
    assert first["metrics"]["selection"]["how"] == "chosen"  # there was nothing to keep
    later = Run.at(NIGHT.cutoff + timedelta(days=1))
    for stage in (nightly.extract, nightly.clean):
        stage(large, later)
    second = nightly.train(large, later)
    assert second["selection"] == {"how": "kept", "model": None, "relevance": None}
    assert second["champion"] == "same"
    assert second["model_version"] == first["stages"]["train"]["model_version"]


@pytest.mark.parametrize("settings", [{f"model.{name}": value for name, value in TINY.items()}, {"preset": "seed"}])
def test_a_model_that_is_set_is_not_compared(configured: Callable[..., Config], settings: dict[str, Any]) -> None:
    few = {"model.epochs": 2, "model.seeds": 2}
    config = configured(**settings | few)
    for stage in (nightly.extract, nightly.clean):
        stage(config, NIGHT)
    trained = nightly.train(config, NIGHT)
    assert (trained["selection"]["how"], trained["selection"]["model"]) == ("configured", None)
    recipe = load_recipe(RunFolder(config.runs, NIGHT.folder), nightly.CHALLENGER)
    assert [member.settings for member in recipe.members] == [config.model] * 2
    assert [(member.seed, member.weight) for member in recipe.members] == [(42, 0.5), (43, 0.5)]
