"""Calling the command line in this process, and a website made by it alone."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import structlog

from recommender_job import cli
from recommender_job.config import ENV_PREFIX
from recommender_job.storage.database import Database, plain_url
from tests.graphs import kept_graphs

__all__ = ["kept_graphs"]

QUICK_ENV = {
    "RECOMMENDER_MODEL__EPOCHS": "5",
    "RECOMMENDER_MODEL__HIDDEN_LAYERS": "[8]",
    "RECOMMENDER_MODEL__EMBEDDING_DIMENSION": "4",
    "RECOMMENDER_TOP_N": "6",
    "COLUMNS": "200",
}


@dataclass(frozen=True)
class Told:
    """What a command told."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Stdout, which must be one JSON object and nothing else."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value

    @property
    def line(self) -> str:
        """Stderr, which must be one line."""
        assert len(self.err.splitlines()) == 1, self.err
        return self.err


def _call(*arguments: object) -> Told:
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["recommender-job", *map(str, arguments)])
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
        finally:
            structlog.reset_defaults()
    assert isinstance(code, int | None)
    return Told(code or 0, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def call() -> Callable[..., Told]:
    """Runs a command in this process, exactly as the console script does."""
    return _call


@dataclass(frozen=True)
class Live:
    """A website with two nights, made by the command line alone."""

    database: Database
    env: dict[str, str]
    made: dict[str, Told]

    def shown(self) -> list[dict[str, Any]]:
        """Everything in the view that the website reads."""
        with self.database.transaction() as transaction:
            return transaction.rows("select * from recommender.recommendations order by user_id, rank")


@pytest.fixture(scope="session")
def live_once(server: sa.URL, tmp_path_factory: pytest.TempPathFactory) -> Live:
    """Imports a made-up file and runs two nights."""
    home = tmp_path_factory.mktemp("live")
    name = f"live_{uuid.uuid4().hex}"
    with Database(server.set(database="postgres")).autocommit() as session:
        session.define("create database {name} template template0", {"name": name})
    database = Database(server.set(database=name))
    env = {**QUICK_ENV, "RECOMMENDER_HOME": str(home), "RECOMMENDER_DATABASE_URL": plain_url(database.url)}
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        for variable in [variable for variable in os.environ if variable.startswith(ENV_PREFIX)]:
            patch.delenv(variable)
        for variable, value in env.items():
            patch.setenv(variable, value)
        made["status before migrating"] = _call("status")
        made["import before migrating"] = _call("import-ratings", home / "ratings.csv", "--json")
        made["migrate"] = _call("migrate", "--json")
        made["status before publishing"] = _call("status", "--json")
        made["sample"] = _call("sample-ratings", home / "ratings.csv", "--users", 60, "--experiences", 20, "--json")
        made["import"] = _call("import-ratings", home / "ratings.csv", "--json")
        made["first"] = _call("run", "--as-of", "2024-01-01", "--json")
        made["second"] = _call("run", "--as-of", "2024-01-02T00:00:00+00:00")
    return Live(database, env, made)


@pytest.fixture
def live(live_once: Live, monkeypatch: pytest.MonkeyPatch) -> Live:
    """The live website, with the environment set for further commands."""
    for variable, value in live_once.env.items():
        monkeypatch.setenv(variable, value)
    return live_once


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A home without an embedded server, which is stopped in the end."""
    monkeypatch.setenv("RECOMMENDER_HOME", str(tmp_path / "home"))
    yield tmp_path / "home"
    _call("db", "stop")
