"""The hourly check's only task, called as Airflow calls it."""

from __future__ import annotations

import inspect
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
def body(database: Database, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The task's function, in a worker whose environment names the fresh database."""
    monkeypatch.setenv("RECOMMENDER_DATABASE_URL", plain_url(database.url))
    bag = BundleDagBag(FOLDER / "check_recommendations.py", bundle_path=FOLDER)
    assert bag.import_errors == {}
    (task,) = bag.dags["check_recommendations"].tasks
    return task.python_callable


def test_it_is_short(body: Any) -> None:
    lines = inspect.getsource(body).split('"""')[-1].strip().splitlines()
    assert len([line for line in lines if line.strip()]) <= 5


def test_green_red_and_redder(database: Database, body: Any) -> None:
    with pytest.raises(NotPublished):
        body()
    publish(database, {1: (5,)}, data_through=LONG_AGO)
    with pytest.raises(StaleRecommendations, match="stale since 2023-01-02 12:00 UTC"):
        body()
    publish(database, {1: (5,)}, data_through=datetime.now(UTC))
    assert body()["publication_id"] == 2
