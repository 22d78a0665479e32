"""The task `report`: green after a good night, and red after a bad one in a way that is told exactly once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.execution_time.context import set_current_context

from recommender_job import nightly
from recommender_job.errors import StageMissing

FOLDER = Path(__file__).resolve().parents[2] / "dags"
GOOD = {"outcome": "published", "reasons": [], "report": "/runs/x/report.html", "is_explained": True}


def run_task(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, summary: dict[str, Any]) -> Any:
    """Runs it where the report comes to that."""
    dag = BundleDagBag(FOLDER / "nightly_recommendations.py", bundle_path=FOLDER).dags["nightly_recommendations"]
    monkeypatch.setenv("RECOMMENDER_HOME", str(tmp_path))
    monkeypatch.setattr(nightly, "report", lambda config, run: summary)
    context: Any = {
        "params": dag.params.dump(),
        "run_id": "tonight",
        "dag_run": SimpleNamespace(run_after=datetime(2024, 1, 1, tzinfo=UTC), run_type="scheduled"),
    }
    with set_current_context(context):
        task: Any = dag.get_task("report")
        return task.python_callable()


@pytest.mark.parametrize("outcome", ["published", "dry run"])
def test_a_good_night(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, outcome: str) -> None:
    summary = {**GOOD, "outcome": outcome}
    assert run_task(monkeypatch, tmp_path, summary) == summary


@pytest.mark.parametrize("outcome", ["blocked", "failed"])
def test_a_bad_night_that_another_task_has_told_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, outcome: str
) -> None:
    with pytest.raises(AirflowFailException, match=f"The night has ended {outcome}: Bad."):
        run_task(monkeypatch, tmp_path, {**GOOD, "outcome": outcome, "reasons": ["Bad."]})


def test_a_bad_night_that_nobody_has_told_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    summary = {**GOOD, "outcome": "failed", "reasons": ["refit has not finished."], "is_explained": False}
    with pytest.raises(StageMissing, match="refit has not finished"):
        run_task(monkeypatch, tmp_path, summary)
