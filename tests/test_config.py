"""Settings: where they come from, which win, and what a mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from recommender_job.config import Config, load_config
from recommender_job.settings import (
    PRESETS,
    Candidate,
    EvaluationConfig,
    GateConfig,
    ModelConfig,
    RelevanceConfig,
    SelectionConfig,
)

SECRET = "postgresql://job:sesame@db.example/ratings"


def toml(text: str) -> None:
    Path("recommender.toml").write_text(text, "utf-8")


def test_defaults() -> None:
    config = load_config()
    assert (config.top_n, config.shards, config.preset, config.holdout) == (10, None, "default", "last")
    assert config.model.hidden_layers == (256, 64)
    assert config.gate.max_rmse == 1.0
    assert config.database_url is None
    assert Path(config.runs) == Path.cwd() / "var" / "runs"
    assert load_config({"runs_url": "s3://bucket/runs"}).runs == "s3://bucket/runs"


def test_later_sources_win(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"preset": load_config({"preset": "seed"}).model}
    toml('preset = "seed"\n[model]\nepochs = 7\nbatch_size = 11\nlearning_rate = 0.3\n')
    found["toml"] = load_config().model
    monkeypatch.setenv("RECOMMENDER_MODEL__EPOCHS", "8")
    monkeypatch.setenv("RECOMMENDER_MODEL__BATCH_SIZE", "12")
    found["environment"] = load_config().model
    found["override"] = load_config({"model.epochs": 9}).model
    assert {name: (m.epochs, m.batch_size, m.learning_rate) for name, m in found.items()} == {
        "preset": (1000, 8192, 0.1),
        "toml": (7, 11, 0.3),
        "environment": (8, 12, 0.3),
        "override": (9, 12, 0.3),
    }
    # What nobody named is still the preset's.
    assert found["override"].optimizer == "adagrad"
    assert found["override"].bias_terms is False


def test_the_preset_too_can_come_from_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    toml('preset = "default"\n')
    monkeypatch.setenv("RECOMMENDER_PRESET", "seed")
    assert load_config().model.epochs == 1000
    assert load_config(["preset=default"]).model.epochs == 80


def test_presets_are_complete_and_valid() -> None:
    assert set(PRESETS) == {"default", "seed"}
    model = load_config({"preset": "seed"}).model.model_dump()
    assert {key: model[key] for key in PRESETS["seed"]} == PRESETS["seed"]


def test_assignments_are_parsed() -> None:
    config = load_config(
        ["gate.max_rmse=0.9", "model.hidden_layers=32,16", " top_n = 7 ", "dry_run=true", "database_url=x=y"]
    )
    assert config.gate.max_rmse == 0.9
    assert config.model.hidden_layers == (32, 16)
    assert config.top_n == 7
    assert config.dry_run is True
    assert config.database_url is not None
    assert config.database_url.get_secret_value() == "x=y"
    assert load_config(["model.hidden_layers="]).model.hidden_layers == ()


@pytest.mark.parametrize("text", ["32,16", "[32, 16]"])
def test_a_list_is_written_alike_in_the_environment_and_on_the_command_line(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    assert load_config([f"model.hidden_layers={text}"]).model.hidden_layers == (32, 16)
    monkeypatch.setenv("RECOMMENDER_MODEL__HIDDEN_LAYERS", text)
    assert load_config().model.hidden_layers == (32, 16)


def test_other_programs_variables_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMMEND_TOP_N", "3")
    monkeypatch.setenv("TOP_N", "3")
    assert load_config().top_n == 10


def test_settings_are_frozen() -> None:
    config = load_config()
    with pytest.raises(ValidationError, match="frozen"):
        config.top_n = 3  # type: ignore[misc]  # frozen: that it fails is the point
    with pytest.raises(ValidationError, match="frozen"):
        config.model.epochs = 3  # type: ignore[misc]  # frozen: that it fails is the point
    assert (config.top_n, config.model.epochs) == (10, 80)


def test_the_password_is_not_shown() -> None:
    config = load_config({"database_url": SECRET})
    assert config.database_url is not None
    assert config.database_url.get_secret_value() == SECRET
    for text in (repr(config), str(config), config.model_dump_json(), str(config.model_dump())):
        assert "sesame" not in text


def test_every_setting_says_what_it_is() -> None:
    sections = (Config, ModelConfig, Candidate, SelectionConfig, RelevanceConfig, EvaluationConfig, GateConfig)
    for section in sections:
        for name, field in section.model_fields.items():
            assert field.description, name
