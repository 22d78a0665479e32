"""`recommender-job config`, which needs no database."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cli.conftest import Told


@pytest.fixture(autouse=True)
def _no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMMENDER_DATABASE_URL", "postgresql://job:sesame@nowhere.invalid/shop")
    monkeypatch.setenv("COLUMNS", "200")


def test_show(call: Callable[..., Told]) -> None:
    told = call("config", "show", "--set", "top_n=12")
    assert told.code == 0
    lines = [line.replace("│", "").split() for line in told.out.splitlines()]
    assert ["top_n", "12", "--set"] in lines
    assert ["database_url", "**********", "RECOMMENDER_DATABASE_URL"] in lines
    assert ["gate.max_rmse", "1.0", "default"] in lines


def test_show_what_is_changed(call: Callable[..., Told]) -> None:
    settings = call("config", "show", "--changed", "--set", "top_n=12", "--json").json["settings"]
    assert [(one["key"], one["value"], one["default"]) for one in settings] == [
        ("database_url", "**********", None),
        ("top_n", 12, 10),
    ]


def test_check(call: Callable[..., Told]) -> None:
    told = call("config", "check")
    assert (told.code, told.out, told.err) == (0, "no recommender.toml: ok\n", "")
    assert call("config", "check", "--json").json == {"ok": True, "problems": []}


def test_check_tells_everything_that_is_wrong(call: Callable[..., Told]) -> None:
    told = call("config", "check", "--set", "top_n=0", "--set", "gate.max_rms=1", "--json")
    assert told.code == 2
    assert not told.json["ok"]
    assert [problem["key"] for problem in told.json["problems"]] == ["gate.max_rms", "top_n"]
    assert len(told.err.splitlines()) == 2
    assert "Did you mean `gate.max_rmse`?" in told.err


def test_wrong_settings_are_a_wrong_call(call: Callable[..., Told]) -> None:
    for command in ("show", "check"):
        assert call("config", command, "--set", "top_n").code == 2
    assert call("config", "show", "--set", "top_n=0").code == 2
