"""Two published nights of a small world with a hostile name in it, run once; each test reports on a copy of its own."""

from __future__ import annotations

import contextlib
import html
import re
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from recommender_job import nightly
from recommender_job.config import Config, load_config
from recommender_job.evaluating import approval
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.importer import import_ratings
from recommender_job.ratings.sample import sample_ratings
from recommender_job.reporting.nights import nights
from recommender_job.reporting.report import report
from recommender_job.runs import Run, stage_of
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database, plain_url
from tests.conftest import QUICK
from tests.graphs import kept_graphs

__all__ = ["kept_graphs"]

CUTOFF = datetime(2024, 1, 1, 7, tzinfo=UTC)
FIRST, SECOND = Run("first", CUTOFF), Run("second", CUTOFF + timedelta(days=1))
NOW = datetime(2024, 1, 2, 8, 30, tzinfo=UTC)
HOSTILE = '</td><script src="//evil.example/x.js">alert("1")</script><!--user 1--> & co'
STAGES = [
    "extract",
    "clean",
    "train",
    "evaluate",
    "gate",
    "refit",
    "plan_shards",
    "score-0000",
    "score-0001",
    "publish",
]
#: Everything passes: the gate is not what these tests are about.
LENIENT = {
    "gate.max_rmse": 9, "gate.significance": 0.003, "gate.max_list_loss": 1, "gate.min_personal_lists": 0,
    "gate.min_distinct_lists": 0, "gate.max_exposure": 1, "checks.min_distinct_lists": 0, "checks.min_overlap": 0,
    "top_n": 5,
}  # fmt: skip


@dataclass(frozen=True)
class World:
    """A database with two publications, and the folders of their runs."""

    config: Config
    database: Database

    def folder(self, run: Run = SECOND) -> RunFolder:
        """A run's folder."""
        return RunFolder(self.config.runs, run.folder)

    def unfinish(self, stage: str, run: Run = SECOND) -> None:
        """Takes back the marks of a stage and of those after it, as if the run had only come so far."""
        for later in STAGES[STAGES.index(stage) :]:
            self.folder(run).begin(later)

    def fail(self, stage: str, error: Exception) -> None:
        """Leaves what a stage that failed so leaves."""
        from recommender_job.reporting import failed_stages

        self.unfinish(stage)
        failed_stages.note(self.config, self.folder(), stage, error)

    def block(self, *reasons: str) -> None:
        """Leaves what a gate leaves that has blocked and lets somebody decide, whatever comes after it."""
        for name in ("finished/gate.json", approval.VERDICT):
            told = self.folder().read_json(name)
            self.folder().write_json(name, {**told, "passed": False, "reasons": list(reasons)})

    def approve(self, reason: str) -> None:
        """Leaves what an approval leaves."""
        word = {"by": "ana", "at": "2024-01-02T08:00:00+00:00", "reason": reason}
        self.folder().write_json(approval.OVERRIDE, word)
        self.folder().finish(approval.STAGE, word)

    def report(self, run: Run = SECOND, **settings: Any) -> dict[str, Any]:
        """Writes the report at a known time."""
        config = self.config.model_copy(update=settings)
        return report(config, run, self.folder(run), nightly.REPORT, now=NOW)

    def html(self, run: Run = SECOND, **options: Any) -> str:
        """Writes the report and reads it."""
        self.report(run, **options)
        return nightly.report_html(self.config, run.run_id)

    def night(self, run: Run = SECOND) -> dict[str, Any]:
        """The run's row among the nights."""
        return next(row for row in nights(self.database, 99) if row["run_id"] == run.run_id)

    def run(self, sql: str, **parameters: Any) -> None:
        """Executes a statement."""
        with self.database.transaction() as transaction:
            transaction.run(sql, **parameters)


def verdict_text(page: str) -> str:
    """The verdict without its markup, in one line."""
    section = re.search(r'<section class="verdict.*?</section>', page, re.DOTALL)
    assert section
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", section.group())).split())


def _copied(server: sa.URL, template: str) -> Database:
    name = f"reporting_{uuid.uuid4().hex}"
    with Database(server.set(database="postgres")).autocommit() as session:
        session.define("create database {name} template {template}", {"name": name, "template": template})
    return Database(server.set(database=name))


def _configured(home: Path, database: Database) -> Config:
    return load_config({**QUICK, **LENIENT, "home": home, "database_url": plain_url(database.url)})


@pytest.fixture(scope="package")
def made(server: sa.URL, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The original: tests copy it."""
    home = tmp_path_factory.mktemp("reported")
    database = _copied(server, "template")
    ratings = sample_ratings(60, 24, seed=1)
    files = {"early": ratings.iloc[:-150], "late": ratings.iloc[-150:]}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        config = _configured(home, database)
        for run, (name, rows) in zip((FIRST, SECOND), files.items(), strict=True):
            rows.to_csv(home / f"{name}.csv", index=False)
            import_ratings(database, home / f"{name}.csv", Columns(), now=CUTOFF, scale=(1.0, 5.0))
            with database.transaction() as transaction:
                transaction.run(
                    "update website.experiences set name = :name where experience_id ="
                    " (select experience_id from website.ratings group by 1 order by count(*) desc, 1 limit 1)",
                    name=HOSTILE,
                )
            for stage in (nightly.extract, nightly.clean, nightly.train, nightly.evaluate, nightly.gate, nightly.refit):
                stage(config, run)
            for shard in nightly.plan_shards(config, run)["shards"]:
                nightly.score(config, run, shard)
            nightly.publish(config, run)
    assert stage_of(1) == STAGES[-2]
    return World(config, database)


@pytest.fixture
def world(made: World, server: sa.URL, tmp_path: Path) -> World:
    """A copy of both nights."""
    shutil.copytree(made.config.runs, tmp_path / "runs")
    database = _copied(server, str(made.database.url.database))
    return World(_configured(tmp_path, database), database)


@pytest.fixture
def blocked(world: World) -> Callable[..., World]:
    """The second night as a gate leaves it that blocks."""

    def work(**settings: Any) -> World:
        gate = world.config.gate.model_copy(update={"max_rmse": 0.01, **settings})
        config = world.config.model_copy(update={"gate": gate})
        world.unfinish("gate")
        with contextlib.suppress(nightly.GateBlocked):  # where it asks, it only says so
            assert not nightly.gate(config, SECOND)["passed"]
        return World(config, world.database)

    return work
