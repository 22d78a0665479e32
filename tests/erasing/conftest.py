"""Two published nights with a user whose id stands out, run once; each test gets a copy of its own to erase from."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from recommender_job import nightly
from recommender_job.config import ENV_PREFIX, Config, load_config
from recommender_job.erasing.erase import erase
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.importer import import_ratings
from recommender_job.ratings.sample import sample_ratings
from recommender_job.runs import Run
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database, plain_url
from tests.graphs import kept_graphs

__all__ = ["kept_graphs"]

ERASED = 987654321987
CUTOFF = datetime(2024, 1, 1, tzinfo=UTC)
RUNS = (Run("first", CUTOFF), Run("second", CUTOFF + timedelta(days=1)))
#: A moment at which nothing in a folder of these tests is young.
LATER = datetime(2100, 1, 1, tzinfo=UTC)
QUICK = {"model.epochs": 2, "model.hidden_layers": (8,), "model.embedding_dimension": 4, "top_n": 5}


@dataclass(frozen=True)
class World:
    """A database with two publications, and the folders of their runs."""

    config: Config
    database: Database

    @property
    def runs(self) -> Path:
        """The folder of all runs."""
        return Path(self.config.runs)

    def folder(self, run: Run = RUNS[1]) -> RunFolder:
        """A run's folder."""
        return RunFolder(self.config.runs, run.folder)

    def erase(self, user_id: int = ERASED, **options: Any) -> dict[str, Any]:
        """Erases a user."""
        return erase(self.config, self.database, user_id, **{"now": LATER, **options})

    def rows(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        """Rows of a query."""
        with self.database.transaction() as transaction:
            return transaction.rows(sql, **parameters)

    def run(self, sql: str, **parameters: Any) -> None:
        """Executes a statement."""
        with self.database.transaction() as transaction:
            transaction.run(sql, **parameters)

    def shown(self) -> list[dict[str, Any]]:
        """What the website reads of others."""
        sql = "select * from recommender.recommendations where user_id <> :user order by user_id, rank"
        return self.rows(sql, user=ERASED)

    def states(self) -> dict[str, tuple[int, int]]:
        """What changes whenever a file is written, by file."""
        files = [file for file in self.runs.rglob("*") if file.is_file()]
        return {str(file): (file.stat().st_ino, file.stat().st_mtime_ns) for file in files}

    def traces(self, user_id: int = ERASED) -> list[str]:
        """Tables and files that hold an id, the list of erased users and the source apart."""
        return [*self._traces_in_tables(user_id), *self._traces_in_files(user_id)]

    def _traces_in_tables(self, user_id: int) -> Iterator[str]:
        with self.database.transaction() as transaction:
            tables = transaction.rows(
                "select c.oid::regclass::text as name from pg_class as c"
                " where relnamespace = 'recommender'::regnamespace and relkind = 'r' order by 1"
            )
            assert len(tables) > 8
            for table in {row["name"] for row in tables} - {"recommender.erasure"}:
                if transaction.rows(f"select 1 from {table} as t where t::text like '%{user_id}%'"):
                    yield table

    def _traces_in_files(self, user_id: int) -> Iterator[str]:
        needles = (str(user_id).encode(), user_id.to_bytes(8, "little", signed=True))
        files = [file for file in sorted(self.runs.rglob("*")) if file.is_file()]
        assert len(files) > 20
        for file in files:
            raw = file.read_bytes()
            with contextlib.suppress(Exception):  # damaged ones: their bytes tell
                if file.suffix == ".parquet":
                    raw += str(pq.read_table(file).to_pylist()).encode()
                if file.suffix == ".npz":
                    raw += str({name: array.tolist() for name, array in np.load(file).items()}).encode()
            if any(needle in raw for needle in needles):
                yield str(file.relative_to(self.runs))


def _copy_database(server: sa.URL, template: str) -> Database:
    name = f"erasing_{uuid.uuid4().hex}"
    with Database(server.set(database="postgres")).autocommit() as session:
        session.define("create database {name} template {template}", {"name": name, "template": template})
    return Database(server.set(database=name))


def _configured(home: Path, database: Database, **settings: Any) -> Config:
    fixed = {"home": home, "database_url": plain_url(database.url), "keep_all_predictions": True, "report.users": 100}
    return load_config({**QUICK, **fixed, **settings})


@pytest.fixture(scope="session")
def nights(server: sa.URL, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The original: tests copy it."""
    home = tmp_path_factory.mktemp("nights")
    database = _copy_database(server, "template")
    sample = sample_ratings(60, 20, seed=1)
    column = sample.columns[0]
    most = sample[column].value_counts().index[0]
    sample[column] = sample[column].where(sample[column] != most, ERASED)
    sample.to_csv(home / "ratings.csv", index=False)
    import_ratings(database, home / "ratings.csv", Columns(), now=CUTOFF, scale=(1.0, 5.0))
    with database.transaction() as transaction:
        transaction.run(
            "insert into website.ratings (user_id, experience_id, rated_at, rating)"
            " select :user, min(experience_id), '2023-01-01', 99 from website.experiences",
            user=ERASED,
        )
        transaction.run("insert into website.do_not_recommend values (:user, 1), (1, 2)", user=ERASED)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        for variable in [variable for variable in os.environ if variable.startswith(ENV_PREFIX)]:
            patch.delenv(variable)
        for run, settings in zip(RUNS, ({}, {"model.unseen": "random", "relevance.method": "als"}), strict=True):
            config = _configured(home, database, **settings)
            for stage in (nightly.extract, nightly.clean, nightly.train, nightly.evaluate):
                stage(config, run)
            # The gate is not what these tests are about: a model of two epochs may be worse than the mean.
            RunFolder(config.runs, run.folder).finish("gate", {"passed": True})
            nightly.refit(config, run)
            for shard in nightly.plan_shards(config, run)["shards"]:
                nightly.score(config, run, shard)
            nightly.publish(config, run)
            nightly.report(config, run)
    world = World(config, database)
    # As a night leaves it that failed at a list of the user; the report of that attempt was written too.
    cause = f"1 users break the contract: user {ERASED} (rank 1, experience 9)."
    world.folder(RUNS[0]).write_json("failed/publish.json", {"class": "OutputRefused", "cause": cause})
    world.folder(RUNS[0]).finish("report", {"outcome": "failed", "reasons": [cause]})
    report = world.folder(RUNS[0]).path / nightly.REPORT
    report.write_text(report.read_text("utf-8").replace("<!--told-->", f"<!--told--><p>{cause}</p>", 1), "utf-8")
    world.run("update recommender.night set reasons = array['other', :cause] where run_id = 'first'", cause=cause)
    return world


@pytest.fixture
def world(nights: World, server: sa.URL, tmp_path: Path) -> World:
    """A copy of both nights."""
    shutil.copytree(nights.runs, tmp_path / "runs")
    database = _copy_database(server, str(nights.database.url.database))
    return World(_configured(tmp_path, database), database)


@pytest.fixture
def job(world: World) -> Iterator[World]:
    """The world as an account that has the job's two roles and nothing else."""
    role = f"job_{uuid.uuid4().hex}"
    with world.database.transaction() as transaction:
        transaction.define("create role {role} login in role recommender_reader, recommender_writer", {"role": role})
    database = Database(world.database.url.set(username=role))
    yield World(_configured(world.config.home, database), database)
    with world.database.transaction() as transaction:
        transaction.define("drop owned by {role}", {"role": role})
        transaction.define("drop role {role}", {"role": role})


@pytest.fixture
def refuse_row(world: World) -> Callable[..., None]:
    """Puts a row into the quarantine."""

    def work(content: str, user_text: str | None = None) -> None:
        world.run(
            "insert into recommender.quarantine (origin, line, column_name, reason, content, user_text)"
            " values ('a file', 1, 'rating', 'is not a number', :content, :user_text)",
            content=content,
            user_text=user_text,
        )

    return work
