"""What the ratings tests share: importing a few lines, extracting a night, and looking at what came of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from recommender_job.config import Config
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.extract import SNAPSHOT, extract
from recommender_job.ratings.importer import import_ratings
from recommender_job.runs import Run
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database
from recommender_job.storage.paths import sql_folder

#: The moment at which test files are imported.
NOW = datetime(2023, 6, 1, tzinfo=UTC)

Import = Callable[..., dict[str, int]]
Night = Callable[..., dict[str, Any]]
Snapshot = Callable[[Run], set[tuple[Any, ...]]]
Sql = Callable[..., None]


@pytest.fixture
def import_file(database: Database) -> Import:
    """Imports a file on the scale 1 to 5."""

    def work(file: Path, *, scale: tuple[float, float] = (1, 5), **columns: Any) -> dict[str, int]:
        return import_ratings(database, file, Columns(**columns), now=NOW, scale=scale)

    return work


@pytest.fixture
def import_lines(import_file: Import, write_csv: Callable[..., Path]) -> Import:
    """Imports lines of a CSV file with the header user,experience,rating,rated_at."""

    def work(lines: Sequence[str], **options: Any) -> dict[str, int]:
        return import_file(write_csv(lines), **options)

    return work


@pytest.fixture
def import_bytes(import_file: Import, tmp_path: Path) -> Import:
    """Imports a file of these bytes."""

    def work(content: bytes, **options: Any) -> dict[str, int]:
        file = tmp_path / "ratings.csv"
        file.write_bytes(content)
        return import_file(file, **options)

    return work


@pytest.fixture
def quarantined(database: Database) -> Callable[[], list[dict[str, Any]]]:
    """The rows in quarantine, by line."""

    def work() -> list[dict[str, Any]]:
        with database.transaction() as transaction:
            return transaction.rows(
                "select origin, line, column_name, reason, content from recommender.quarantine"
                " order by line, quarantine_id"
            )

    return work


@pytest.fixture
def night(config: Config, database: Database) -> Night:
    """Extracts one night, with the configuration `config` unless another is given."""

    def work(run: Run, using: Config = config) -> dict[str, Any]:
        return extract(using, run, RunFolder(using.runs, run.folder), database)

    return work


@pytest.fixture
def age(database: Database) -> Callable[[str], None]:
    """Makes all ratings look as if they had been written earlier, by an interval."""

    def work(interval: str) -> None:
        with database.transaction() as transaction:
            transaction.run("update website.ratings set updated_at = updated_at - cast(:by as interval)", by=interval)

    return work


@pytest.fixture
def sql(database: Database) -> Sql:
    """Executes a statement."""

    def work(statement: str, **parameters: Any) -> None:
        with database.transaction() as transaction:
            transaction.run(statement, **parameters)

    return work


@pytest.fixture
def snapshot(config: Config) -> Snapshot:
    """What a run's snapshot holds: user, experience, rating, and when it was given."""

    def work(run: Run) -> set[tuple[Any, ...]]:
        frame = RunFolder(config.runs, run.folder).read_frame(SNAPSHOT)
        assert not frame.duplicated(["user_id", "experience_id", "rated_at"]).any()
        moments = frame["rated_at"].dt.strftime("%m-%d %H:%M")
        return set(zip(frame["user_id"], frame["experience_id"], frame["rating"], moments, strict=True))

    return work


@pytest.fixture
def source_query(tmp_path: Path) -> Callable[[str, str], Path]:
    """Copies the shipped source queries and replaces one; returns their folder."""

    def work(name: str, query: str) -> Path:
        folder = tmp_path / "queries"
        shutil.copytree(sql_folder() / "source", folder, dirs_exist_ok=True)
        (folder / f"{name}.sql").write_text(query, "utf-8")
        return folder

    return work
