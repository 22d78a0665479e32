"""What tests share: a real PostgreSQL, a fresh migrated database for each test, and small worlds."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import hypothesis
import psutil
import pytest
import sqlalchemy as sa

from recommender_job.config import ENV_PREFIX, Config, load_config
from recommender_job.storage import embedded, schema
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database, plain_url

# A slow machine is not a failure; what takes how long is measured in benchmarks/.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")

#: Folders whose files take minutes: begun last, they would run when nothing is left to run beside them.
SLOW = ("tests/e2e/", "tests/browser/")

#: Settings under which a model trains in about a second and still learns.
QUICK = {"model.epochs": 5, "model.hidden_layers": (16, 8), "model.embedding_dimension": 8}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the slow files first, in the order of `SLOW`; pytest itself goes by name, whatever the command line says."""
    items.sort(key=lambda item: next((place for place, name in enumerate(SLOW) if name in item.nodeid), len(SLOW)))


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the environment nor a recommender.toml of the developer reaches a test."""
    for name in os.environ:
        if name.startswith(ENV_PREFIX):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session", autouse=True)
def _nothing_left_running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A test that starts a database in a folder of its own stops it, too."""
    folder = str(tmp_path_factory.getbasetemp())
    yield
    lines = {process: " ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])}
    servers = [process for process, line in lines.items() if "postgres -D " in line and folder in line]
    _, running = psutil.wait_procs(servers, timeout=30)
    assert [lines[process] for process in running] == []


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.URL]:
    """The embedded PostgreSQL with a migrated template database."""
    home = tmp_path_factory.mktemp("server")
    url = embedded.start(home, "template")
    with Database(url).autocommit() as session:
        session.define("alter system set fsync = off", {})  # a database for each test is made sooner
        session.define("select pg_reload_conf()", {})
    schema.migrate(Database(url))
    yield url
    embedded.stop(home)


@pytest.fixture
def database(server: sa.URL) -> Database:
    """A fresh, migrated, empty database."""
    name = f"test_{uuid.uuid4().hex}"
    with Database(server.set(database="postgres")).autocommit() as session:
        session.define("create database {name} template template", {"name": name})
    return Database(server.set(database=name))


@pytest.fixture
def make_config(database: Database, tmp_path: Path) -> Callable[..., Config]:
    """Makes a configuration of the fresh database with quick settings; takes further ones as a dictionary."""

    def make(overrides: dict[str, object] | None = None) -> Config:
        fixed = {"home": tmp_path / "home", "database_url": plain_url(database.url)}
        return load_config({**QUICK, **fixed, **(overrides or {})})

    return make


@pytest.fixture
def config(make_config: Callable[..., Config]) -> Config:
    """The configuration of the fresh database with quick settings."""
    return make_config()


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """An empty run folder."""
    return RunFolder(str(tmp_path / "runs"), "a-run")


@pytest.fixture
def write_csv(tmp_path: Path) -> Callable[..., Path]:
    """Writes lines into a CSV file with the header user,experience,rating,rated_at."""

    def write(lines: Sequence[str], header: str = "user,experience,rating,rated_at", name: str = "ratings.csv") -> Path:
        file = tmp_path / name
        file.write_text("\n".join([header, *lines]) + "\n", "utf-8")
        return file

    return write


@pytest.fixture(scope="session")
def real_csv() -> Path:
    """The real ratings, which are not part of the repository."""
    path = os.environ.get("RATINGS_CSV")
    if not path:
        pytest.skip("RATINGS_CSV does not name the real ratings, which are not public")
    return Path(path).resolve()
