"""The hourly check's tasks, called as Airflow calls them."""

from __future__ import annotations

import inspect
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import BundleDagBag

from recommender_job.errors import NotPublished, StaleRecommendations
from recommender_job.storage.database import Database, plain_url
from tests.publishing.by_hand import LONG_AGO, publish

FOLDER = Path(__file__).resolve().parents[2] / "dags"


@pytest.fixture
def tasks(database: Database, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The tasks' functions, in a worker whose environment names the fresh database."""
    monkeypatch.setenv("RECOMMENDER_DATABASE_URL", plain_url(database.url))
    bag = BundleDagBag(FOLDER / "check_recommendations.py", bundle_path=FOLDER)
    assert bag.import_errors == {}
    found: Any = bag.dags["check_recommendations"].tasks
    assert all(not task.upstream_task_ids for task in found), "the figures come also while the check fails"
    return {task.task_id: task.python_callable for task in found}


@pytest.fixture
def body(tasks: dict[str, Any]) -> Any:
    assert set(tasks) == {"check", "metrics"}
    return tasks["check"]


def test_they_are_short(tasks: dict[str, Any]) -> None:
    for body in tasks.values():
        lines = inspect.getsource(body).split('"""')[-1].strip().splitlines()
        assert len([line for line in lines if line.strip()]) <= 5


def test_they_work_in_a_process_of_their_own(tasks: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for task, place in (("check", "publishing.freshness.check_now"), ("metrics", "reporting.metrics.update")):
        monkeypatch.setattr(f"recommender_job.{place}", lambda *given: {"pid": os.getpid()})
        assert tasks[task]()["pid"] != os.getpid()


def test_figures_come_whatever_is_live(
    database: Database, tasks: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RECOMMENDER_METRICS__TEXTFILE", str(tmp_path))
    assert tasks["metrics"]() == {"textfile": str(tmp_path / "recommender.prom")}
    publish(database, {1: (5,)}, data_through=LONG_AGO)
    assert tasks["metrics"]()["is_stale"] is True
    assert "recommender_stale 1" in (tmp_path / "recommender.prom").read_text("utf-8")


def test_green_red_and_redder(database: Database, body: Any) -> None:
    with pytest.raises(NotPublished):
        body()
    publish(database, {1: (5,)}, data_through=LONG_AGO)
    with pytest.raises(StaleRecommendations, match="stale since 2023-01-02 12:00 UTC"):
        body()
    publish(database, {1: (5,)}, data_through=datetime.now(UTC))
    assert body()["publication_id"] == 2
