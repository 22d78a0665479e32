"""Settings of the choice of the model, of relevance and of lists: where they come from and what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recommender_job.config import load_config
from recommender_job.errors import ConfigurationError
from recommender_job.settings import ModelConfig, default_candidates


def toml(text: str) -> None:
    Path("recommender.toml").write_text(text, "utf-8")


def refused(overrides: Any = ()) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load_config(overrides)
    return caught.value


def test_defaults() -> None:
    config = load_config()
    assert config.chooses_model is True
    assert (config.candidates_per_user, config.order_by) == (None, "predicted_rating")
    assert config.keep_all_predictions is False
    assert config.selection.mode == "auto"
    assert config.selection.candidates == default_candidates()
    assert config.relevance.method == "auto"
    assert (config.evaluation.level, config.gate.significance) == (0.95, 0.05)


@pytest.mark.parametrize(
    ("settings", "chooses"),
    [
        ({"model.epochs": 3}, False),
        ({"preset": "seed"}, False),
        ({"preset": "default"}, True),
        ({"selection.folds": 1, "top_n": 5}, True),
        ({"selection.mode": "never"}, False),
        ({"selection.mode": "always"}, True),
        ({"selection.mode": "always", "model.epochs": 3}, True),
        ({"selection.mode": "always", "preset": "seed"}, True),
        ({"selection.mode": "auto", "model.epochs": 3}, False),
    ],
)
def test_the_model_is_chosen_unless_it_is_set(settings: dict[str, Any], chooses: bool) -> None:
    assert load_config(settings).chooses_model is chooses


def test_a_model_set_in_the_file_or_the_environment_counts_as_set(monkeypatch: pytest.MonkeyPatch) -> None:
    toml("[model]\nepochs = 80\n")  # the default's own value is a choice too
    assert load_config().chooses_model is False
    toml('preset = "seed"\n')
    assert load_config().chooses_model is False
    Path("recommender.toml").unlink()
    assert load_config().chooses_model is True
    monkeypatch.setenv("RECOMMENDER_MODEL__EPOCHS", "80")
    assert load_config().chooses_model is False
    monkeypatch.setenv("RECOMMENDER_SELECTION__MODE", "always")
    assert load_config().chooses_model is True
    assert load_config(["selection.mode=never"]).chooses_model is False


@pytest.mark.parametrize(("text", "value"), [("all", "all"), ("25", 25)])
def test_candidates_are_a_number_or_all(monkeypatch: pytest.MonkeyPatch, text: str, value: Any) -> None:
    assert load_config([f"candidates_per_user={text}"]).candidates_per_user == value
    monkeypatch.setenv("RECOMMENDER_CANDIDATES_PER_USER", text)
    assert load_config().candidates_per_user == value
    assert load_config({"candidates_per_user": 11}).candidates_per_user == 11


def test_later_sources_win(monkeypatch: pytest.MonkeyPatch) -> None:
    toml('order_by = "relevance"\nkeep_all_predictions = true\n[selection]\nfolds = 3\nmax_networks = 3\n')
    monkeypatch.setenv("RECOMMENDER_SELECTION__MAX_NETWORKS", "4")
    monkeypatch.setenv("RECOMMENDER_SELECTION__SAMPLE_PAIRS", "4")
    monkeypatch.setenv("RECOMMENDER_EVALUATION__RESAMPLES", "500")
    monkeypatch.setenv("RECOMMENDER_RELEVANCE__METHOD", "als")
    config = load_config(["selection.sample_pairs=5", "evaluation.list_users=7"])
    assert (config.order_by, config.keep_all_predictions) == ("relevance", True)
    assert (config.selection.folds, config.selection.max_networks, config.selection.sample_pairs) == (3, 4, 5)
    assert (config.evaluation.resamples, config.evaluation.list_users) == (500, 7)
    assert config.relevance.method == "als"


@pytest.mark.parametrize("key", ["ease_l2", "als_l2", "popularity", "activity_power"])
@pytest.mark.parametrize("text", ["1,0.5", "[1, 0.5]"])
def test_values_to_choose_from_are_written_alike_everywhere(
    monkeypatch: pytest.MonkeyPatch, key: str, text: str
) -> None:
    assert getattr(load_config([f"relevance.{key}={text}"]).relevance, key) == (1.0, 0.5)
    monkeypatch.setenv(f"RECOMMENDER_RELEVANCE__{key.upper()}", text)
    assert getattr(load_config().relevance, key) == (1.0, 0.5)


def test_candidates_in_the_file_take_the_place_of_the_defaults() -> None:
    toml(
        "[selection.candidates.plain]\nmodel = { dense = false, epochs = 3 }\n"
        "[selection.candidates.wide]\nfrom_pairs = 1000\nbelow_pairs = 2000\n"
        "[selection.candidates.wide.model]\nhidden_layers = [128, 64]\n"
    )
    config = load_config()
    assert config.chooses_model is True
    assert list(config.selection.candidates) == ["plain", "wide"]
    plain, wide = config.selection.candidates.values()
    assert plain.model == ModelConfig(dense=False, epochs=3)
    assert wide.model == ModelConfig(hidden_layers=(128, 64))
    assert [plain.suits(pairs) for pairs in (0, 10**9)] == [True, True]
    assert [wide.suits(pairs) for pairs in (999, 1000, 1999, 2000)] == [False, True, True, False]


def test_a_candidate_can_be_set_in_a_call() -> None:
    config = load_config(["selection.candidates.own.model.epochs=3", "selection.candidates.own.below_pairs=7"])
    own = config.selection.candidates["own"]
    assert list(config.selection.candidates) == ["own"]
    assert (own.model.epochs, own.suits(6), own.suits(7)) == (3, True, False)


@pytest.mark.parametrize("pairs", [1, 4_000, 20_000, 199_999, 200_000, 10**8])
def test_some_default_candidate_suits_any_number_of_pairs(pairs: int) -> None:
    suited = [name for name, candidate in default_candidates().items() if candidate.suits(pairs)]
    # With and without dense layers, so that there is something to compare.
    assert {default_candidates()[name].model.dense for name in suited} == {True, False}


@pytest.mark.parametrize("candidates", [0, 9])
def test_relevance_may_not_pick_fewer_than_a_list_holds(candidates: int) -> None:
    assert "candidates_per_user must not lie below top_n" in refused({"candidates_per_user": candidates}).cause
    assert load_config({"candidates_per_user": 9, "top_n": 9}).candidates_per_user == 9


@pytest.mark.parametrize("relevant", [1.0, 5.5, 0.0, "nan", "inf"])
def test_what_counts_as_liked_lies_on_the_scale(relevant: Any) -> None:
    assert "relevant_rating must lie above rating_min" in refused({"relevant_rating": relevant}).cause
    assert load_config({"rating_max": 3, "relevant_rating": 3}).relevant_rating == 3


@pytest.mark.parametrize("name", ["full_read_days", "lookback_minutes", "fresh_hours", "quarantine.keep_days"])
@pytest.mark.parametrize("value", ["inf", "1e10", "nan"])
def test_times_without_end_are_refused(name: str, value: str) -> None:
    assert name in refused({name: value}).cause


def test_a_model_without_any_term_is_refused() -> None:
    terms = ["dense", "bias_terms", "dot_product"]
    error = refused({f"model.{term}": False for term in terms})
    assert "Setting `model`: " in error.cause
    assert "one of dense, bias_terms and dot_product must be on" in error.cause
    for kept in terms:
        model = load_config({f"model.{term}": term == kept for term in terms}).model
        assert [getattr(model, term) for term in terms] == [term == kept for term in terms]


def test_a_candidate_is_held_to_the_same_rules() -> None:
    toml("[selection.candidates.own.model]\ndense = false\nbias_terms = false\ndot_product = false\n")
    assert "Setting `selection.candidates.own.model`: " in refused().cause
    toml("[selection.candidates.own.model]\nepoch = 3\n")
    assert refused().cause == "Unknown setting `selection.candidates.own.model.epoch`."
    toml("[selection.candidates.own]\nfrom_pairs = 3\n")
    assert "Setting `selection.candidates.own.model`: Field required" in refused().cause
    toml("[selection]\ncandidates = {}\n")
    assert "Setting `selection.candidates`: " in refused().cause


@pytest.mark.parametrize(
    ("variable", "value"),
    [("CANDIDATES", '{"mine": {"model": {"epochs": 3}}}'), ("CANDIDATES__MINE__MODEL__EPOCHS", "3")],
)
def test_candidates_from_a_variable_of_their_own(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(f"RECOMMENDER_SELECTION__{variable}", value)
    assert {name: one.model.epochs for name, one in load_config().selection.candidates.items()} == {"mine": 3}


def test_a_variable_beside_a_setting_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMMENDER_GATE__MAX_RMSE__MORE", "3")
    assert "names no setting" in refused().cause


def test_candidates_per_user_says_what_it_takes() -> None:
    error = refused({"candidates_per_user": "some"})
    assert error.cause == (
        "Setting `candidates_per_user`: Value error, must be a whole number or `all` (given: 'some')."
    )
