"""`recommender-job config show`: every setting, its value, and where it comes from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recommender_job.config import Config, load_config
from recommender_job.environment import known_keys, variable_of
from recommender_job.settings_report import as_text, default_of, effective

KEYS = [key.removesuffix(".*") for key in known_keys(Config)]


def found(key: str, overrides: Any = ()) -> tuple[Any, str]:
    (one,) = [one for one in effective(overrides)["settings"] if one["key"] == key]
    return one["value"], one["source"]


def test_every_setting_is_there_once_and_is_the_default() -> None:
    result = effective()
    assert result["file"] is None
    assert [one["key"] for one in result["settings"]] == KEYS
    assert {one["source"] for one in result["settings"]} == {"default"}
    assert all(one["value"] == one["default"] for one in result["settings"])
    json.dumps(result)


def test_the_source_that_wins_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "recommender.toml"
    file.write_text('preset = "seed"\n[model]\nepochs = 7\nbatch_size = 11\n[gate]\nmax_rmse = 0.8\n', "utf-8")
    monkeypatch.setenv("RECOMMENDER_MODEL__EPOCHS", "8")
    monkeypatch.setenv("RECOMMENDER_GATE__MAX_RMSE", "0.7")
    overrides = ["gate.max_rmse=0.6"]
    assert found("gate.max_rmse", overrides) == (0.6, "--set")
    assert found("gate.max_rmse") == (0.7, "RECOMMENDER_GATE__MAX_RMSE")
    assert found("model.epochs") == (8, "RECOMMENDER_MODEL__EPOCHS")
    assert found("model.batch_size") == (11, "recommender.toml")
    assert found("model.learning_rate") == (0.1, "preset")
    assert found("model.patience") == (5, "default")
    assert effective()["file"] == str(file)


def test_a_section_in_one_variable_is_named_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMMENDER_GATE", '{"max_rmse": 0.7}')
    assert found("gate.max_rmse") == (0.7, "RECOMMENDER_GATE")
    assert found("gate.significance") == (0.05, "default")
    monkeypatch.setenv("RECOMMENDER_GATE__MAX_RMSE", "0.6")
    assert found("gate.max_rmse") == (0.6, "RECOMMENDER_GATE__MAX_RMSE"), "its own variable wins"


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMMENDER_DATABASE_URL", "postgresql://job:sesame@db/shop")
    monkeypatch.setenv("RECOMMENDER_NOTIFY__WEBHOOK_URL", "https://chat.example/hook/sesame")
    monkeypatch.setenv("RECOMMENDER_NOTIFY__RUNBOOK_URL", "https://me:ses/ame@sesame@wiki.example/runbook")
    shown = effective()
    assert "sesame" not in str(shown)
    assert "ses/ame" not in str(shown)
    assert found("notify.runbook_url")[0].endswith("@wiki.example/runbook")


def test_the_file_may_lie_anywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Path("recommender.toml").write_text("top_n = 3\n", "utf-8")
    other = tmp_path / "etc" / "shop.toml"
    other.parent.mkdir()
    other.write_text("top_n = 4\n", "utf-8")
    monkeypatch.setenv("RECOMMENDER_CONFIG", str(other))
    assert found("top_n") == (4, str(other))
    assert load_config().top_n == 4
    monkeypatch.setenv("RECOMMENDER_CONFIG", "")
    assert load_config().top_n == 3


def written(value: Any) -> str:
    """A default as a variable or `--set` takes it."""
    return "" if value in (None, ()) else as_text(value)


@pytest.mark.parametrize("key", [key for key in KEYS if key not in ("selection.candidates", "database_url")])
@pytest.mark.parametrize("way", ["dotted", "nested", "text", "environment"])
def test_every_setting_can_be_set_in_every_way(monkeypatch: pytest.MonkeyPatch, key: str, way: str) -> None:
    default = default_of(key)
    as_json = json.loads(json.dumps(default, default=str))

    def nested() -> dict[str, Any]:
        value: Any = as_json
        for part in reversed(key.split(".")):
            value = {part: value}
        assert isinstance(value, dict)
        return value

    ways: dict[str, Callable[[], Any]] = {
        "dotted": lambda: {key: as_json},
        "nested": nested,
        "text": lambda: [f"{key}={written(default)}"],
        "environment": lambda: [],
    }
    if way == "environment":
        monkeypatch.setenv(variable_of(key), written(default))
    before = next(one for one in effective()["settings"] if one["key"] == key)
    value, source = found(key, ways[way]())
    assert (value, source == "default") == (before["default"], False)


def test_a_section_and_a_key_of_it_can_be_given_together() -> None:
    form = {"gate": {"max_rmse": 0.9}, "gate.significance": 0.02}
    gate = load_config(form).gate
    assert (gate.max_rmse, gate.significance) == (0.9, 0.02)
    assert form == {"gate": {"max_rmse": 0.9}, "gate.significance": 0.02}, "what the caller gave is not changed"
    gate = load_config({"gate.significance": 0.02, "gate": {"max_rmse": 0.9}}).gate
    assert (gate.max_rmse, gate.significance) == (0.9, 0.02)
