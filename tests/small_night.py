"""A whole night of a small made-up world, run and published in a database of its own, for tests that look at it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from recommender_job import nightly
from recommender_job.config import ENV_PREFIX, Config, load_config
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.importer import import_ratings
from recommender_job.ratings.sample import sample_ratings
from recommender_job.runs import Run
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database, Transaction, plain_url

#: Later than every rating of the sample.
CUTOFF = datetime(2024, 1, 1, tzinfo=UTC)
RUN = Run("small-night", CUTOFF)
SETTINGS = {
    "model.epochs": 2,
    "model.hidden_layers": (8,),
    "model.embedding_dimension": 4,
    "top_n": 5,
}


@dataclass(frozen=True)
class SmallNight:
    """A night that is live."""

    config: Config
    database: Database

    @property
    def folder(self) -> RunFolder:
        """Its run folder."""
        return RunFolder(self.config.runs, RUN.folder)

    def rows(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        """Rows of a query."""
        with self.database.transaction() as transaction:
            return transaction.rows(sql, **parameters)


def run_stages(config: Config) -> None:
    """Every stage but the gate's own judgement: a model of two epochs may be worse than the mean."""
    for stage in (nightly.extract, nightly.clean, nightly.train, nightly.evaluate):
        stage(config, RUN)
    RunFolder(config.runs, RUN.folder).finish("gate", {"passed": True})
    nightly.refit(config, RUN)
    for shard in nightly.plan_shards(config, RUN)["shards"]:
        nightly.score(config, RUN, shard)
    nightly.publish(config, RUN)


def small_night(
    server: sa.URL, home: Path, arrange: Callable[[Transaction], None] = lambda transaction: None, **settings: Any
) -> SmallNight:
    """Makes one.

    Args:
        server: The fixture.
        home: An empty folder.
        arrange: Changes the source before the night.
        settings: Further ones, `__` for the dots.
    """
    name = f"small_{uuid.uuid4().hex}"
    with Database(server.set(database="postgres")).autocommit() as session:
        session.define("create database {name} template template", {"name": name})
    database = Database(server.set(database=name))
    sample_ratings(60, 24, seed=1).to_csv(home / "ratings.csv", index=False)
    import_ratings(database, home / "ratings.csv", Columns(), now=CUTOFF, scale=(1.0, 5.0))
    with database.transaction() as transaction:
        arrange(transaction)
    given = {key.replace("__", "."): value for key, value in settings.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        for variable in [variable for variable in os.environ if variable.startswith(ENV_PREFIX)]:
            patch.delenv(variable)
        config = load_config({**SETTINGS, **given, "home": home, "database_url": plain_url(database.url)})
    run_stages(config)
    return SmallNight(config, database)
