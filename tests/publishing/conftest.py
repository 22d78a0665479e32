"""A night of a real model that is ready to be published, scored once for all tests here."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa

from recommender_job import nightly
from recommender_job.config import ENV_PREFIX, Config, load_config
from recommender_job.publishing.publish import publish
from recommender_job.ranking.recipe import Recipe
from recommender_job.ranking.stages import load_recipe
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.importer import import_ratings
from recommender_job.ratings.sample import sample_ratings
from recommender_job.runs import Run
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database, plain_url
from tests.graphs import kept_graphs

__all__ = ["kept_graphs"]

#: Later than every rating of the sample.
CUTOFF = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def scored(server: sa.URL, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folder of a night that has done everything but publish. Tests read it; `spoilable` is a copy to change."""
    home = tmp_path_factory.mktemp("night")
    name = f"night_{uuid.uuid4().hex}"
    with Database(server.set(database="postgres")).autocommit() as session:
        session.define("create database {name} template template", {"name": name})
    database = Database(server.set(database=name))
    sample_ratings(60, 20, seed=1).to_csv(home / "ratings.csv", index=False)
    import_ratings(database, home / "ratings.csv", Columns(), now=CUTOFF, scale=(1.0, 5.0))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        for variable in [variable for variable in os.environ if variable.startswith(ENV_PREFIX)]:
            patch.delenv(variable)
        quick = {"model.epochs": 2, "model.hidden_layers": (8,), "model.embedding_dimension": 4, "top_n": 5}
        config = load_config({**quick, "home": home, "database_url": plain_url(database.url), "gate.max_rmse": 9})
    run = Run("scored", CUTOFF)
    for stage in (nightly.extract, nightly.clean, nightly.train, nightly.evaluate):
        stage(config, run)
    # The gate is not what these tests are about: a model of two epochs may be worse than the mean.
    RunFolder(config.runs, run.folder).finish("gate", {"passed": True})
    nightly.refit(config, run)
    for shard in nightly.plan_shards(config, run)["shards"]:
        nightly.score(config, run, shard)
    return Path(RunFolder(config.runs, run.folder).url(""))


@pytest.fixture
def spoilable(scored: Path, tmp_path: Path) -> RunFolder:
    """A copy of the scored run's folder."""
    shutil.copytree(scored, tmp_path / "copies" / "scored")
    return RunFolder(str(tmp_path / "copies"), "scored")


@dataclass(frozen=True)
class Website:
    """A fresh database, what is published in it, and what its website reads."""

    database: Database
    folder: RunFolder
    make_config: Callable[..., Config]

    def publish(
        self,
        run_id: str = "night",
        days: float = 0,
        folder: RunFolder | None = None,
        recipe: Recipe | None = None,
        **settings: Any,
    ) -> dict:
        """Publishes the scored lists as another run, whose cutoff lies `days` after the scored one's."""
        run = Run(run_id, CUTOFF + timedelta(days=days))
        config, folder = self.make_config({"top_n": 5, **settings}), folder or self.folder
        return publish(config, run, folder, self.database, recipe or load_recipe(folder, nightly.FINAL))

    def rows(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        """Rows of a query."""
        with self.database.transaction() as transaction:
            return transaction.rows(sql, **parameters)

    def values(self, sql: str, **parameters: Any) -> list[Any]:
        """First column of a query."""
        return [next(iter(row.values())) for row in self.rows(sql, **parameters)]

    def partitions(self) -> list[str]:
        """Tables of lists that are there, whether attached or not."""
        sql = "select relname from pg_class where relname like 'recommendation\\_%' and relkind = 'r' order by 1"
        return [name for name in self.values(sql) if name.rsplit("_", 1)[-1].isdigit()]

    def shown(self) -> list[dict[str, Any]]:
        """Everything in the view that the website reads."""
        return self.rows("select * from recommender.recommendations order by user_id, rank")

    def active(self) -> int | None:
        """Id of the active publication."""
        return next(iter(self.values("select publication_id from recommender.active_publication")), None)


@pytest.fixture
def website(database: Database, make_config: Callable[..., Config], scored: Path) -> Website:
    """A website without a publication."""
    return Website(database, RunFolder(str(scored.parent), scored.name), make_config)


@pytest.fixture
def connect(database: Database) -> Iterator[Callable[[], Any]]:
    """Opens further connections to the fresh database, as other people would."""
    opened = []

    def make() -> Any:
        opened.append(psycopg2.connect(plain_url(database.url)))
        return opened[-1]

    yield make
    for connection in opened:
        connection.close()
