"""What goes wrong at night, arranged for real, and the lines that end a failed task's log."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from recommender_job.storage.database import Database
from tests.e2e.stack import DAG, Airflow


@contextlib.contextmanager
def database_down(database: Database, folder: Path) -> Iterator[None]:
    """Nobody can connect; Airflow's own database, on the same server, stays."""
    name = {"name": str(database.url.database)}
    with Database(database.url.set(database="postgres")).autocommit() as session:
        session.define("alter database {name} allow_connections false", name)
        try:
            yield
        finally:
            session.define("alter database {name} allow_connections true", name)


@contextlib.contextmanager
def bad_data(database: Database, folder: Path) -> Iterator[None]:
    """The table of ratings has another name."""
    with database.transaction() as transaction:
        transaction.run("alter table website.ratings rename to ratings_gone")
    try:
        yield
    finally:
        with database.transaction() as transaction:
            transaction.run("alter table website.ratings_gone rename to ratings")


@contextlib.contextmanager
def damaged_plan(database: Database, folder: Path) -> Iterator[None]:
    """What a shard reads is no table."""
    plan = folder / "plan" / "users.parquet"
    whole = plan.read_bytes()
    plan.write_bytes(b"<html>Service unavailable</html>")
    try:
        yield
    finally:
        plan.write_bytes(whole)


@contextlib.contextmanager
def no_room(database: Database, folder: Path) -> Iterator[None]:
    """A folder cannot be written to: what stands in its place is a file."""
    aside = folder / "clean-aside"
    (folder / "clean").rename(aside)
    (folder / "clean").write_text("")
    try:
        yield
    finally:
        (folder / "clean").unlink()
        aside.rename(folder / "clean")


def try_of(airflow: Airflow, run_id: str, task: str, shard: int = -1) -> int:
    """Number of a task's latest try."""
    tasks = airflow.tasks(run_id)
    return next(int(one["try_number"]) for one in tasks if (one["task_id"], one["map_index"]) == (task, shard))


def log_lines(
    airflow: Airflow, run_id: str, task: str, *, dag: str = DAG, attempt: int = 1, shard: int = -1
) -> list[str]:
    """A task's log, a line for each event, as Airflow's pages show it."""
    url = f"/api/v2/dags/{dag}/dagRuns/{run_id}/taskInstances/{task}/logs/{attempt}"
    answer = airflow.client.get(url, params={"map_index": shard}, headers={"Accept": "application/json"})
    events = [event["event"] for event in answer.raise_for_status().json()["content"]]
    return [event for event in events if not event.startswith("::")]


def last_block(lines: list[str]) -> dict[str, str]:
    """The lines that end a failed task's log, by their label."""
    start = max(number for number, line in enumerate(lines) if line.startswith("FAILED "))
    found: dict[str, str] = {}
    for line in lines[start:]:
        label = line[:9].strip() or list(found)[-1]
        found[label] = "\n".join(filter(None, (found.get(label), line[9:])))
    assert list(found) == ["FAILED", "WHY", "WEBSITE", "DO", "RUNBOOK", "LOG"], lines[start:]
    return found
