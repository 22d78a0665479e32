"""What a night is compared with: the model behind what is live, trained again on tonight's ratings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recommender_job import nightly
from recommender_job.config import Config
from recommender_job.errors import GateBlocked
from recommender_job.publishing.publications import live_recipe, rollback, status
from recommender_job.ranking.recipe import Recipe
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.importer import import_ratings
from recommender_job.ratings.sample import sample_ratings
from recommender_job.runs import Run, folder_of
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database

FIRST = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def night(make_config: Callable[..., Config], database: Database, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs a night, some days after the first, on ratings that do not change."""
    file = tmp_path / "sample.csv"
    sample_ratings(60, 20, seed=1).to_csv(file, index=False)
    import_ratings(database, file, Columns(), now=FIRST, scale=(1, 5))

    def run(day: int, **model: Any) -> dict[str, Any]:
        changed = {f"model.{name}": value for name, value in model.items()}
        quick = {"evaluation.resamples": 500, "gate.significance": 0.01, "shards": 1}
        config = make_config({**quick, "gate.max_rmse": 9, "top_n": 5, **changed})
        result = nightly.run_night(config, Run.at(FIRST + timedelta(days=day)))
        return result | {"champion": result["stages"]["train"]["champion"], "verdict": result["stages"]["gate"]}

    return run


def live_from_now_on(database: Database, recipe: str | None) -> None:
    with database.transaction() as transaction:
        transaction.run("update recommender.publication set recipe = :recipe", recipe=recipe)


def compared_with(result: dict[str, Any]) -> set[str]:
    return {comparison["with"] for comparison in result["verdict"]["comparisons"]}


def test_the_first_night_has_no_champion_and_the_next_one_the_same(night: Callable[..., dict[str, Any]]) -> None:
    first = night(0)
    assert (first["champion"], first["metrics"]["champion_is"], first["published"]) == ("none", "none", True)
    assert "There is no champion yet" in first["verdict"]["champion"]
    second = night(1)
    assert (second["champion"], second["published"]) == ("same", True)
    assert "the same model" in second["verdict"]["champion"]
    for result in (first, second):
        assert result["verdict"]["champion_rmse"] is None
        assert "champion" not in compared_with(result)
    # Nothing has changed but the date.
    assert second["stages"]["refit"]["model_version"] == first["stages"]["refit"]["model_version"]
    assert second["rmse"] == first["rmse"]


def test_one_that_stopped_early_is_the_same_again(night: Callable[..., dict[str, Any]]) -> None:
    early = {"validation_share": 0.3, "patience": 1, "epochs": 40, "learning_rate": 0.05}
    first = night(0, **early)
    assert first["stages"]["train"]["epochs"] == first["stages"]["refit"]["epochs"] < 40
    assert night(1, **early)["champion"] == "same"


def test_a_champion_of_other_settings_is_trained_again_and_compared(
    night: Callable[..., dict[str, Any]], make_config: Callable[..., Config]
) -> None:
    first = night(0)
    second = night(1, epochs=9)
    assert (second["champion"], second["metrics"]["champion_is"]) == ("trained", "trained")
    assert "trained again, by its own settings" in second["verdict"]["champion"]
    # The same ratings and settings as in its own night give the same model.
    assert second["verdict"]["champion_rmse"] == first["rmse"] != second["rmse"]
    assert "champion" in compared_with(second)
    folder = RunFolder(make_config().runs, folder_of(second["run_id"]))
    predictions = folder.read_frame("evaluate/predictions.parquet")
    assert (predictions["champion"] - predictions["predicted_rating"]).abs().max() > 0.01


def test_after_a_rollback_the_older_publications_model_is_the_champion(
    night: Callable[..., dict[str, Any]], database: Database
) -> None:
    first = night(0)
    night(1, epochs=9)
    rollback(database)
    assert night(2, epochs=7)["verdict"]["champion_rmse"] == first["rmse"]
    rollback(database, 1)
    assert night(3)["champion"] == "same"


def test_a_recipe_that_cannot_be_read_does_not_stop_the_night(
    night: Callable[..., dict[str, Any]], database: Database
) -> None:
    night(0)
    live_from_now_on(database, '{"members": [], "of": "another version"}')
    result = night(1)
    assert (result["champion"], result["published"]) == ("unreadable", True)
    assert "cannot train" in result["verdict"]["champion"]
    assert result["verdict"]["champion_rmse"] is None
    assert "champion" not in compared_with(result)


def test_a_champion_that_diverges_tonight_does_not_stop_the_night(
    night: Callable[..., dict[str, Any]], database: Database
) -> None:
    night(0)
    text = live_recipe(database)
    assert text is not None
    recipe = Recipe.model_validate_json(text)
    wild = recipe.members[0].settings.model_copy(update={"learning_rate": 1e30})
    members = (recipe.members[0].model_copy(update={"settings": wild}),)
    live_from_now_on(database, recipe.model_copy(update={"members": members}).model_dump_json())
    result = night(1)
    assert (result["champion"], result["published"]) == ("untrainable", True)
    assert result["verdict"]["champion_rmse"] is None
    assert "champion" not in compared_with(result)


def test_what_counts_as_unreadable(night: Callable[..., dict[str, Any]], database: Database, config: Config) -> None:
    first = night(0)
    run = Run(first["run_id"], FIRST)
    found = {}
    for recipe in ("", "not JSON", "[]", "{}", '{"members": [{"name": "dense"}]}', None):
        live_from_now_on(database, recipe)
        found[recipe] = nightly.train(config, run)["champion"]
    assert found.pop(None) == "none"  # a publication from before recipes were kept
    assert set(found.values()) == {"unreadable"}


def test_a_model_much_worse_than_the_champion_is_blocked(
    night: Callable[..., dict[str, Any]], database: Database
) -> None:
    first = night(0)
    with pytest.raises(GateBlocked, match=r"significantly worse than champion's") as caught:
        night(1, output_bias_at_mean=False, learning_rate=1e-9, epochs=1)
    assert caught.value.figures["published"] is False
    assert status(database)["publication_id"] == first["publication_id"]
    # The blocked one is no champion.
    assert night(2)["champion"] == "same"
