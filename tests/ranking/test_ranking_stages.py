"""The stages train and refit, on files in a run folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender_job.config import Config, load_config
from recommender_job.errors import ArtifactBroken, NothingToTrainOn, StageMissing
from recommender_job.ranking import inputs, stages
from recommender_job.ranking.predictor import Predictor, train_predictor
from recommender_job.ranking.recipe import Recipe, RelevancePart, seeded
from recommender_job.ranking.relevance import RelevanceModel, train_relevance
from recommender_job.ranking.training import fit
from recommender_job.ratings.clean import CLEAN
from recommender_job.ratings.split import split
from recommender_job.storage.artifacts import RunFolder
from tests.ranking import worlds
from tests.ranking.worlds import choosing, without_seconds

Frames = Callable[..., pd.DataFrame]
Settings = Callable[..., Config]


@pytest.fixture
def settings() -> Settings:
    """Makes quick settings without a database."""
    quick = {"model.epochs": 3, "model.hidden_layers": (4,), "model.embedding_dimension": 4}
    few = {"relevance.ease_l2": (5.0, 50.0), "relevance.popularity": (0.1,)}
    return lambda **changes: load_config({**quick, **few, **changes})


@pytest.fixture(scope="module")
def clean(frame: Frames) -> pd.DataFrame:
    """Ratings of a dozen users."""
    random = np.random.default_rng(8)
    pairs = [(user, e) for e in range(8) for user in range(12) if random.random() < 0.6]
    return frame([(user, e, float(random.integers(3, 6))) for user, e in pairs])


def train(config: Config, folder: RunFolder, clean: pd.DataFrame, live: str | None = None) -> dict[str, Any]:
    folder.write_table(CLEAN, clean)
    summary = stages.train(config, folder, "challenger", "champion", live)
    folder.finish("train", summary)
    return summary


def same_relevance(found: RelevanceModel, expected: RelevanceModel) -> bool:
    return np.array_equal(found.matrix, expected.matrix) and found.popularity_weight == expected.popularity_weight


def test_train_fits_one_part_and_keeps_the_other(clean: pd.DataFrame, folder: RunFolder, settings: Settings) -> None:
    config = settings()
    summary = train(config, folder, clean)
    training, holdout = split(clean, "last", share=0.2, seed=config.seed)
    pd.testing.assert_frame_equal(folder.read_frame(inputs.TRAIN), training)
    pd.testing.assert_frame_equal(folder.read_frame(inputs.HOLDOUT), holdout)
    expected, figures = fit(training, config.model, seed=config.seed)
    predictor = Predictor.load(folder, "challenger")
    assert [(weight, network.version) for weight, network in predictor.networks] == [(1.0, expected.version)]
    assert predictor.bias is None
    selection = summary.pop("selection")
    assert summary == {
        "pairs": len(training),
        "holdout": len(holdout),
        "epochs": 3,
        "loss": figures["loss"],
        "model_version": predictor.version,
        "champion": "none",
    }
    assert selection["how"] == "configured"
    recipe = stages.load_recipe(folder, "challenger")
    assert [member.settings for member in recipe.members] == [config.model]
    relevance = train_relevance(training, recipe.relevance, seed=config.seed)
    assert same_relevance(RelevanceModel.load(folder, "challenger"), relevance)
    assert selection["relevance"]["l2"] == recipe.relevance.l2


def test_progress_is_told(clean: pd.DataFrame, folder: RunFolder, settings: Settings) -> None:
    folder.write_table(CLEAN, clean)
    calls: list[tuple[int, int]] = []
    stages.train(settings(), folder, "challenger", "champion", progress=lambda *call: calls.append(call))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_the_holdout_s_ratings_change_nothing_about_the_challenger(folder: RunFolder) -> None:
    clean, config = worlds.tastes(), choosing(**{"selection.folds": 1, "relevance.ease_l2": (5.0, 50.0)})
    first = train(config, folder, clean)
    recipe = stages.load_recipe(folder, "challenger")
    assert first["selection"]["how"] == "chosen"
    _, holdout = split(clean, "random", share=0.2, seed=config.seed)
    held = worlds.as_pairs(holdout)
    is_held = [pair in held for pair in zip(clean["user_id"], clean["experience_id"], strict=True)]
    other = clean.assign(rating=clean["rating"].where(~np.array(is_held), 6 - clean["rating"]))
    assert not other.equals(clean)
    again = train(config, folder, other)
    assert without_seconds(again) == without_seconds(first)
    assert stages.load_recipe(folder, "challenger") == recipe


def test_the_champion_is_trained_by_its_own_recipe_on_tonight_s_training_part(
    clean: pd.DataFrame, folder: RunFolder, settings: Settings
) -> None:
    config = settings()
    train(settings(**{"model.epochs": 2, "seed": 7}), folder, clean.head(40))
    live = stages.load_recipe(folder, "challenger")
    summary = train(config, folder, clean, live.model_dump_json())
    assert summary["champion"] == "trained"
    training, _ = split(clean, "last", share=0.2, seed=config.seed)
    expected, _, _ = train_predictor(training, live)
    assert Predictor.load(folder, "champion").version == expected.version != summary["model_version"]
    assert stages.load_recipe(folder, "champion") == live
    relevance = train_relevance(training, live.relevance, seed=config.seed)
    assert same_relevance(RelevanceModel.load(folder, "champion"), relevance)


def test_a_champion_of_the_same_recipe_is_not_trained_twice(
    clean: pd.DataFrame, folder: RunFolder, settings: Settings
) -> None:
    train(settings(), folder, clean)
    live = stages.load_recipe(folder, "challenger").model_dump_json()
    assert train(settings(), folder, clean, live)["champion"] == "same"
    assert not Path(folder.url("champion")).exists()


@pytest.mark.parametrize("live", ["{}", "no json", '{"members": [], "colour": 1}'])
def test_a_recipe_of_another_version_of_the_job_is_passed_over(
    clean: pd.DataFrame, folder: RunFolder, settings: Settings, live: str
) -> None:
    assert train(settings(), folder, clean, live)["champion"] == "unreadable"
    assert not Path(folder.url("champion")).exists()


def test_a_champion_that_cannot_be_trained_tonight_does_not_stop_the_night(
    clean: pd.DataFrame, folder: RunFolder, settings: Settings
) -> None:
    train(settings(), folder, clean)
    live = stages.load_recipe(folder, "challenger")
    (member,) = live.members
    wild = member.model_copy(update={"settings": member.settings.model_copy(update={"learning_rate": 1e30})})
    summary = train(settings(), folder, clean, live.model_copy(update={"members": (wild,)}).model_dump_json())
    assert summary["champion"] == "untrainable"
    assert not Path(folder.url("champion")).exists()


def test_a_kept_recipe_that_diverges_is_replaced(clean: pd.DataFrame, folder: RunFolder) -> None:
    flat = {**worlds.SMALL, "dot_product": False, "epochs": 1}
    few = {"relevance.ease_l2": (5.0,), "relevance.activity_power": (0.0,), "relevance.popularity": (0.1,)}
    config = choosing(
        {"wild": {**worlds.SMALL, "learning_rate": 1e30}, "flat": flat}, **few, **{"selection.once_above_pairs": 1}
    )
    members = seeded("wild", config.selection.candidates["wild"].model, config.seed)
    live = Recipe(members=members, relevance=RelevancePart(l2=5.0))
    summary = train(config, folder, clean, live.model_dump_json())
    assert (summary["selection"]["how"], summary["champion"]) == ("chosen", "untrainable")
    assert {member.name for member in stages.load_recipe(folder, "challenger").members} == {"flat"}


@pytest.mark.parametrize("recipe", [{}, {"members": "none"}, {"members": [], "colour": 1}])
def test_a_damaged_recipe_is_told(folder: RunFolder, recipe: dict[str, Any]) -> None:
    folder.write_json("challenger/recipe.json", recipe)
    with pytest.raises(ArtifactBroken, match=r"challenger/recipe\.json is damaged"):
        stages.load_recipe(folder, "challenger")


def test_a_missing_recipe_is_told(folder: RunFolder) -> None:
    with pytest.raises(ArtifactBroken, match=r"recipe\.json is not there"):
        stages.load_recipe(folder, "challenger")


def test_train_without_a_holdout_is_refused(frame: Frames, folder: RunFolder, settings: Settings) -> None:
    with pytest.raises(NothingToTrainOn, match="leaves 2 pairs to train on and 0 to evaluate on"):
        train(settings(), folder, frame([(1, 10, 5.0), (2, 10, 4.0)]))


def test_train_refuses_ratings_that_break_their_contract(
    clean: pd.DataFrame, folder: RunFolder, settings: Settings
) -> None:
    with pytest.raises(ArtifactBroken, match="Table `ratings` breaks its contract") as caught:
        train(settings(), folder, pd.concat([clean, clean.tail(1)], ignore_index=True))
    assert "user_id" in caught.value.cause


def test_refit_trains_on_everything_for_as_long_as_the_challenger(
    clean: pd.DataFrame, folder: RunFolder, settings: Settings
) -> None:
    from recommender_job.ranking.tensorflow import tf

    config = settings(**{"model.epochs": 9, "model.validation_share": 0.3, "model.patience": 1, "model.seeds": 2})
    trained = train(config, folder, clean)
    recipe = stages.load_recipe(folder, "challenger")
    assert trained["epochs"] == recipe.members[0].settings.epochs
    # As if the challenger had stopped after two epochs and four.
    members = tuple(
        member.model_copy(update={"settings": member.settings.model_copy(update={"epochs": epochs})})
        for member, epochs in zip(recipe.members, (2, 4), strict=True)
    )
    recipe = Recipe(members=members, relevance=recipe.relevance)
    folder.write_json("challenger/recipe.json", recipe.model_dump(mode="json"))
    calls: list[tuple[int, int]] = []
    summary = stages.refit(config, folder, "challenger", "final", "served", lambda *call: calls.append(call))
    assert calls[-1] == (6, 6)
    alone = config.model.model_copy(update={"epochs": 2, "validation_share": 0.0})
    expected, figures = fit(clean, alone, seed=config.seed)
    predictor = Predictor.load(folder, "final")
    assert predictor.networks[0][1].version == expected.version
    assert summary == {
        "pairs": len(clean),
        "epochs": 2,
        "loss": figures["loss"],
        "model_version": predictor.version,
    }
    assert stages.load_recipe(folder, "final") == recipe
    relevance = train_relevance(clean, recipe.relevance, seed=config.seed)
    assert same_relevance(RelevanceModel.load(folder, "final"), relevance)
    assert Path(folder.url("served/saved_model.pb")).is_file()
    serve = tf.saved_model.load(folder.url("served")).signatures["serving_default"]
    users, experiences = clean["user_id"].to_numpy(), clean["experience_id"].to_numpy()
    served = serve(user_id=tf.constant(users), experience_id=tf.constant(experiences))["predicted_rating"]
    np.testing.assert_allclose(served, np.clip(predictor.predict(users, experiences), 1, 5), rtol=1e-6)


def test_refit_without_a_challenger_names_what_is_missing(
    clean: pd.DataFrame, folder: RunFolder, settings: Settings
) -> None:
    folder.write_table(CLEAN, clean)
    with pytest.raises(StageMissing, match="Stage `train` has not finished"):
        stages.refit(settings(), folder, "challenger", "final", "served")
