"""Where tonight's recipe comes from: configured, kept, chosen, or untried where nothing can be compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender_job.config import Config, load_config
from recommender_job.errors import TrainingDiverged
from recommender_job.ranking.folds import validation_folds
from recommender_job.ranking.recipe import BiasPart, Member, Recipe, RelevancePart, seeded
from recommender_job.ranking.recipes import find_recipe
from recommender_job.ranking.relevance_selection import choose_relevance
from recommender_job.ranking.selection import choose
from recommender_job.ranking.trainer import Trainers
from recommender_job.settings import ModelConfig
from tests.ranking import worlds
from tests.ranking.worlds import SMALL, choosing, without_seconds

FEW: dict[str, Any] = {"relevance.ease_l2": [5.0, 50.0], "relevance.popularity": [0.1, 1.0]}
LIVE = Recipe(
    members=(Member(name="live", settings=ModelConfig(epochs=3), seed=1, weight=0.5),),
    bias=BiasPart(weight=0.5),
    relevance=RelevancePart(l2=33.0),
)


@pytest.fixture(scope="module")
def training() -> pd.DataFrame:
    return worlds.tastes()


@pytest.fixture(scope="module")
def trainers(training: pd.DataFrame) -> Trainers:
    return Trainers(training)


def relevance_of(training: pd.DataFrame, config: Config) -> tuple[RelevancePart, dict[str, Any]]:
    part, report = choose_relevance(validation_folds(training, config), 20, config)
    return part, without_seconds(report)


def test_a_configured_model_is_taken_as_it_is_but_relevance_is_chosen(
    training: pd.DataFrame, trainers: Trainers
) -> None:
    config = load_config({"model.epochs": 3, "model.seeds": 2, "holdout": "random", **FEW})
    relevance, report = relevance_of(training, config)
    # Whatever is live, and however much data there is.
    for live, bound in ((None, 10**6), (LIVE, 10**6), (LIVE, 1)):
        changed = config.model_copy(
            update={"selection": config.selection.model_copy(update={"once_above_pairs": bound})}
        )
        recipe, found = find_recipe(training, changed, trainers, live)
        assert recipe == Recipe(members=seeded("configured", config.model, config.seed), relevance=relevance)
        assert recipe.bias.weight == 0
        assert without_seconds(found) == {"how": "configured", "model": None, "relevance": report}


@pytest.mark.parametrize(
    ("changes", "chooses"),
    [
        ({}, True),
        ({"model.epochs": 3}, False),
        ({"preset": "seed"}, False),
        ({"model.epochs": 3, "selection.mode": "always"}, True),
        ({"selection.mode": "never", "model.epochs": 3}, False),
    ],
)
def test_when_the_model_is_chosen(
    training: pd.DataFrame, trainers: Trainers, changes: dict[str, Any], chooses: bool
) -> None:
    flat = {**SMALL, "dot_product": False, "epochs": 1}
    config = choosing({"flat": flat}, **{"selection.folds": 1, **FEW, **changes})
    assert find_recipe(training, config, trainers)[1]["how"] == ("chosen" if chooses else "configured")


def test_what_is_chosen_is_what_choosing_on_the_folds_gives(training: pd.DataFrame, trainers: Trainers) -> None:
    config = choosing(**FEW)
    relevance, relevance_report = relevance_of(training, config)
    members, bias, report = choose(validation_folds(training, config), len(training), config, trainers)
    for live in (None, LIVE):
        recipe, found = find_recipe(training, config, trainers, live)
        assert recipe == Recipe(members=members, bias=bias, relevance=relevance)
        assert without_seconds(found) == {
            "how": "chosen",
            "model": without_seconds(report),
            "relevance": relevance_report,
        }


def chosen(training: pd.DataFrame, config: Config, **changes: Any) -> Recipe:
    """A recipe that could have been chosen by `config`, of which some settings may differ."""
    chosen_by = {"epochs": 1, "user_shrinkage": 5.0, "experience_shrinkage": 2.0, **changes}
    settings = ModelConfig(**FLAT).model_copy(update=chosen_by)
    relevance = RelevancePart(l2=50.0, popularity=1.0)
    return LIVE.model_copy(update={"members": seeded("flat", settings, config.seed, 0.5), "relevance": relevance})


FLAT: dict[str, Any] = {**SMALL, "dot_product": False, "epochs": 2}


def test_the_champion_s_recipe_is_kept_above_the_bound_only(training: pd.DataFrame, trainers: Trainers) -> None:
    above = choosing({"flat": FLAT}, **{"selection.once_above_pairs": len(training) - 1}, **FEW)
    live = chosen(training, above, seeds=2)
    assert find_recipe(training, above, trainers, live) == (live, {"how": "kept", "model": None, "relevance": None})
    assert find_recipe(training, above, trainers, None)[1]["how"] == "chosen"
    at_the_bound = choosing({"flat": FLAT}, **{"selection.once_above_pairs": len(training)}, **FEW)
    assert find_recipe(training, at_the_bound, trainers, live)[1]["how"] == "chosen"


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 7},
        {"selection.candidates": {"flat": {"model": {**FLAT, "l2_bias": 0.9}}}},
        {"selection.candidates": {"other": {"model": FLAT}}},
        {"selection.candidates": {"flat": {"model": FLAT, "below_pairs": 1}, "other": {"model": FLAT}}},
    ],
)
def test_what_today_s_candidates_could_not_lead_to_is_not_kept(
    training: pd.DataFrame, trainers: Trainers, changes: dict[str, Any]
) -> None:
    above = {"selection.once_above_pairs": 1}
    live = chosen(training, choosing({"flat": FLAT}, **above, **FEW))
    today = choosing({"flat": FLAT}, **above, **FEW, **changes)
    assert find_recipe(training, today, trainers, live)[1]["how"] == "chosen"


@pytest.mark.parametrize("changes", [{"relevance.method": "popularity"}, {"relevance.ease_l2": [5.0]}])
def test_relevance_is_chosen_again_where_its_settings_are_others(
    training: pd.DataFrame, trainers: Trainers, changes: dict[str, Any]
) -> None:
    today = choosing({"flat": FLAT}, **{"selection.once_above_pairs": 1}, **{**FEW, **changes})
    live = chosen(training, today)
    recipe, found = find_recipe(training, today, trainers, live)
    relevance, report = relevance_of(training, today)
    assert recipe == live.model_copy(update={"relevance": relevance})
    assert relevance != live.relevance
    assert without_seconds(found) == {"how": "kept", "model": None, "relevance": report}


def test_candidates_are_suited_to_all_pairs_of_the_training_part_not_to_the_sample(
    training: pd.DataFrame, trainers: Trainers
) -> None:
    model = {**SMALL, "dot_product": False, "epochs": 1}
    candidates = {"few": {"below_pairs": len(training), "model": model}, "many": {"from_pairs": len(training)}}
    candidates["many"]["model"] = model
    config = load_config(
        {"selection.candidates": candidates, "holdout": "random", "selection.sample_pairs": 200, **FEW}
    )
    _, found = find_recipe(training, config, trainers)
    assert next(iter(found["model"]["candidates"])) == "many"
    assert "few" not in found["model"]["candidates"]
    assert found["model"]["validation_pairs"] < 100


def test_where_nothing_can_be_held_out_the_first_that_suits_is_taken_untried() -> None:
    single = worlds.ratings(np.array([1, 2, 3]), np.array([7, 8, 9]), np.array([5, 4, 3]))
    config = load_config({"selection.candidates": {"a": {"model": SMALL}, "b": {"model": SMALL}}, **FEW, "seed": 9})
    recipe, found = find_recipe(single, config, Trainers(single))
    (member,) = recipe.members
    assert (member.name, member.seed, member.weight) == ("a", 9, 1.0)
    assert recipe.bias.weight == 0
    assert recipe.relevance == RelevancePart(l2=5.0, activity_power=0.0, popularity=0.1)
    assert found["how"] == "untried"
    assert found["model"] is None
    assert found["relevance"]["tried"] == 0


def test_candidates_that_all_fail_stop_the_night(training: pd.DataFrame, trainers: Trainers) -> None:
    wild = {**SMALL, "learning_rate": 1e30}
    with pytest.raises(TrainingDiverged, match="None of the candidates wild could be trained"):
        find_recipe(training, choosing({"wild": wild}, **FEW), trainers)


def test_where_no_candidate_suits_the_configured_model_is_used(training: pd.DataFrame, trainers: Trainers) -> None:
    config = load_config({"selection.candidates": {"big": {"from_pairs": 10**6, "model": {"epochs": 1}}}, **FEW})
    recipe, report = find_recipe(training, config, trainers)
    assert report["how"] == "untried"
    assert recipe.members == seeded("configured", config.model, config.seed)


def test_a_sample_is_compared_on_with_tables_of_its_own_users(training: pd.DataFrame) -> None:
    whole, sampled = Trainers(training), Trainers(training)
    config = choosing({"flat": worlds.CANDIDATES["flat"]}, **FEW)
    find_recipe(training, config, whole)
    assert whole._trainers
    found = find_recipe(
        training, choosing({"flat": worlds.CANDIDATES["flat"]}, **FEW, **{"selection.sample_pairs": 200}), sampled
    )
    assert found[1]["how"] == "chosen"
    assert not sampled._trainers
