"""Mistakes in the settings: refused at once, by name, and without giving away the password."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recommender_job.config import load_config
from recommender_job.errors import ConfigurationError

SECRET = "postgresql://job:sesame@db.example/ratings"


def toml(text: str) -> None:
    Path("recommender.toml").write_text(text, "utf-8")


def refused(overrides: Any = ()) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load_config(overrides)
    return caught.value


@pytest.mark.parametrize("text", ["top_n", "=3", ""])
def test_what_is_no_assignment_is_told(text: str) -> None:
    assert refused([text]).cause == f"`{text}` is not key=value."


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("gate.max_rms", "gate.max_rmse"),
        ("max_rmse", "gate.max_rmse"),
        ("topn", "top_n"),
        ("model.epoch", "model.epochs"),
        ("order", "order_by"),
        ("candidate_per_user", "candidates_per_user"),
        ("keep_predictions", "keep_all_predictions"),
        ("selection.modes", "selection.mode"),
        ("relevance.ease_l", "relevance.ease_l2"),
        ("evaluation.resample", "evaluation.resamples"),
        ("resamples", "evaluation.resamples"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_name(key: str, nearest: str) -> None:
    error = refused({key: 1})
    assert error.cause == f"Unknown setting `{key}`."
    assert error.action == f"Did you mean `{nearest}`?"


@pytest.mark.parametrize("key", ["_env_file", "_secrets_dir", "_cli_parse_args", "_case_sensitive"])
def test_what_pydantic_takes_as_an_order_is_no_setting(key: str) -> None:
    for overrides in ({key: "x"}, [f"{key}=x"]):
        assert refused(overrides).cause == f"Unknown setting `{key}`."


def test_a_file_that_may_not_be_looked_for_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMMENDER_CONFIG", f"/etc/{'x' * 300}.toml")  # too long a name, for any account
    assert refused().cause == f"/etc/{'x' * 300}.toml cannot be read: File name too long."


def test_a_key_like_no_other() -> None:
    assert refused({"zzzzzz": 1}).action == "See the settings in docs/configuration.md."


def test_unknown_keys_of_the_file_are_refused() -> None:
    toml("[gate]\nmax_rms = 1\n")
    assert refused().action == "Did you mean `gate.max_rmse`?"


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("RECOMMENDER_TOP_M", "top_n"),
        ("RECOMMENDER_MODEL__EPOCH", "model.epochs"),
        ("RECOMMENDER_GATE_MAX_RMSE", "gate.max_rmse"),
    ],
)
def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, nearest: str) -> None:
    monkeypatch.setenv(name, "3")
    error = refused()
    assert error.cause == f"Environment variable {name} names no setting."
    assert error.action == f"Did you mean `{nearest}`?"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("top_n", 0),
        ("shards", "two"),
        ("seed", -1),
        ("seed", 2**31),
        ("gate.max_rmse", 0),
        ("gate.max_rmse", "nan"),
        ("model.epochs", 0),
        ("model.learning_rate", "0"),
        ("model.validation_share", 1),
        ("model.optimizer", "sgd"),
        ("holdout_share", 1.0),
        ("holdout", "first"),
        ("preset", "sed"),
        ("keep_publications", 0),
        ("order_by", "rating"),
        ("keep_all_predictions", "perhaps"),
        ("model.biases", "none"),
        ("model.seeds", 0),
        ("selection.mode", "sometimes"),
        ("selection.folds", 0),
        ("selection.budget_seconds", 0),
        ("relevance.method", "svd"),
        ("relevance.ease_up_to", 0),
        ("evaluation.resamples", 50),
        ("evaluation.level", 1),
        ("gate.significance", 0.5),
        ("gate.max_exposure", 0),
        ("selection.candidates.own.model.epochs", 0),
    ],
)
def test_a_value_out_of_bounds_is_told_with_its_key(key: str, value: Any) -> None:
    error = refused({key: value})
    assert error.cause.startswith(f"Setting `{key}`: ")
    assert f"(given: {value!r})" in error.cause
    assert error.action == f"Correct `{key}` and start again."


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model.hidden_layers", "16,0"),
        ("rating_min", "nan"),
        ("timezone", "Mars/Base"),
        ("candidates_per_user", "some"),
        ("candidates_per_user", "2.5"),
        ("relevance.ease_l2", ""),
        ("relevance.ease_l2", "20,-1"),
        ("relevance.activity_power", "0,1.5"),
        ("selection.candidates", "dense"),
    ],
)
def test_a_value_that_no_night_can_work_with_is_refused(key: str, value: str) -> None:
    assert key in refused({key: value}).cause


def test_the_scale_has_a_width() -> None:
    assert "rating_min must lie below rating_max" in refused({"rating_min": 5, "rating_max": 5}).cause


@pytest.mark.parametrize("text", ["top_n = = 3", "top_n", "[gate"])
def test_a_file_that_is_no_toml_is_told(text: str) -> None:
    toml(text)
    assert "recommender.toml" in str(refused())


def test_a_variable_that_is_no_section_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMMENDER_MODEL", "large")
    assert "model" in refused().cause


def test_a_section_is_no_value() -> None:
    assert "gate" in refused(["gate=1", "gate.max_rmse=2"]).cause


@pytest.mark.parametrize(
    "wrong",
    [
        {"database_url": {"x": SECRET}},
        {"database_url": SECRET, "rating_min": 6},
        {"database_url": SECRET, "top_n": 0},
        {"database_url": SECRET, "top_m": 0},
        {"database_ur": SECRET},
    ],
)
def test_no_error_shows_the_password(wrong: dict[str, Any]) -> None:
    assert "sesame" not in str(refused(wrong))


def test_the_password_of_the_environment_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMMENDER_DATABASE_URL", SECRET)
    assert "sesame" not in str(refused({"rating_min": 6}))
    assert "sesame" not in repr(load_config())


@pytest.mark.parametrize("url", ["sftp://user:hunter2@host/runs", "s3://key:hunter2@bucket"])
def test_a_folder_whose_url_holds_a_password_is_refused_without_telling_it(url: str) -> None:
    error = refused({"runs_url": url})
    assert "must not hold a user or a password" in error.cause
    assert "hunter2" not in str(error)


@pytest.mark.parametrize("url", ["/data/at@home/runs", "s3://bucket/at@home", "memory://runs"])
def test_a_folder_may_have_an_at_sign_in_its_path(url: str) -> None:
    assert load_config({"runs_url": url}).runs == url
