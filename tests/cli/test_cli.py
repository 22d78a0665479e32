"""The command line: what each command is called with, and what a wrong call is told."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg2
import pytest
import typer

from recommender_job import cli

Call = Callable[..., Any]

COMMANDS = [
    "backtest", "config check", "config show", "db start", "db stop", "db url", "erase", "erasures lift",
    "import-ratings", "metrics", "migrate",
    "publications activate", "publications diff", "publications list", "publications prune", "publications rollback",
    "quarantine drop", "quarantine list", "quarantine replay", "report", "run",
    "sample-ratings", "show", "status", "why",
]  # fmt: skip


def leaves(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for name, child in command.commands.items():
            yield from leaves(child, f"{path} {name}".strip())
    else:
        yield path, command


def test_these_are_the_commands_and_each_speaks_json() -> None:
    found = dict(leaves(typer.main.get_command(cli.app)))
    assert sorted(found) == COMMANDS
    for name, command in found.items():
        assert any("--json" in option.opts for option in command.params), name
        assert command.help, name


@pytest.mark.parametrize("command", ["", "db", "erasures", "publications", "quarantine", *COMMANDS])
def test_every_command_explains_itself(call: Call, command: str) -> None:
    told = call(*command.split(), "--help")
    assert (told.code, told.err) == (0, "")
    assert "Usage:" in told.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--set", "gate.max_rmse"],
        ["run", "--set", "top_n=0"],
        ["run", "--as-of", "yesterday"],
        ["run", "--no-such-option"],
        ["no-such-command"],
        ["show"],
        ["show", "nobody"],
        ["import-ratings", "x.csv", "--delimiter", "ab"],
        ["sample-ratings", "x.csv", "--users", "0"],
        ["publications", "activate"],
        ["publications", "diff", "1"],
        ["publications", "prune", "--keep", "0"],
    ],
)
def test_wrong_calls(call: Call, arguments: list[str]) -> None:
    told = call(*arguments)
    assert (told.code, told.out) == (2, "")
    assert told.err


def test_a_misspelt_variable_is_a_wrong_call(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMMENDER_TOP_M", "3")
    told = call("status")
    assert told.code == 2
    assert "RECOMMENDER_TOP_M names no setting" in told.line


def test_a_wrong_setting_is_one_json_object_too(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMMENDER_TOP_N", "0")
    told = call("status", "--json")
    assert told.code == 2
    assert told.json["error"]["type"] == "ConfigurationError"
    assert "top_n" in told.json["error"]["cause"]
    assert "top_n" in told.line
    assert call("status").out == ""


def test_sample_ratings_repeat(call: Call, tmp_path: Path) -> None:
    for name in ("a", "b"):
        told = call("sample-ratings", tmp_path / name, "--users", 30, "--experiences", 10, "--seed", 4, "--json")
    assert told.json == {"file": str(tmp_path / "b"), "rows": len(pd.read_csv(tmp_path / "b"))}
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    other = call("sample-ratings", tmp_path / "c", "--users", 30, "--experiences", 10, "--seed", 5)
    assert other.out.endswith(f"made-up ratings in {tmp_path / 'c'}\n")
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()


def test_the_printed_url_is_one_that_other_programs_take(call: Call, at_home: Path) -> None:
    told = call("db", "url")
    assert (told.code, told.err) == (0, "")
    for url in (told.out.strip(), call("db", "start", "--database", "airflow", "--json").json["url"]):
        with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute("select current_database()")
            assert cursor.fetchone() == (url.split("?")[0].rsplit("/", 1)[-1],)
    assert call("db", "start", "--json").json == {"url": told.out.strip()}
    assert call("db", "stop", "--json").json == {"stopped": True}
    assert call("db", "stop").out == "was not running\n"


def test_a_server_that_is_away(call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RECOMMENDER_DATABASE_URL", f"postgresql://job:sesame@/ratings?host={tmp_path}")
    told = call("status", "--json")
    assert told.code == 1
    assert told.line.startswith("DatabaseAway: The database cannot be reached")
    assert "sesame" not in told.out + told.err


def test_a_setting_that_is_no_database(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMMENDER_DATABASE_URL", "mysql://job:sesame@host/ratings")
    told = call("status")
    assert told.code in (1, 2)
    assert "`database_url` is not a PostgreSQL URL" in told.line
    assert "sesame" not in told.err
