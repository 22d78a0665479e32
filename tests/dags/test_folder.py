"""The DAG folder as a whole: what Airflow finds in it, quick to import, each DAG retried by the same rules."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.sdk import DAG, RetryAction

from recommender_job.errors import DatabaseAway, StaleRecommendations

FOLDER = Path(__file__).resolve().parents[2] / "dags"
FILES = [
    "check_recommendations.py",
    "nightly_recommendations.py",
    "recommender_approval.py",
    "recommender_metrics.py",
    "recommender_notices.py",
    "recommender_retries.py",
]


@pytest.fixture(scope="module")
def dags() -> dict[str, DAG]:
    """All DAGs, as Airflow's own processes load the folder."""
    bag = BundleDagBag(FOLDER, bundle_path=FOLDER)
    assert bag.import_errors == {}
    return dict(bag.dags)


def test_these_are_the_files_and_the_dags(dags: dict[str, DAG]) -> None:
    assert sorted(file.name for file in FOLDER.glob("*.py")) == FILES
    assert sorted(dags) == ["check_recommendations", "nightly_recommendations"]


@pytest.mark.parametrize("file", FILES)
def test_importing_a_file_loads_nothing_heavy(file: str) -> None:
    script = (
        # What Airflow's own operators load, its processes hold anyway.
        "import runpy, sys, airflow.sdk, airflow.providers.standard.operators.hitl;"
        "sys.path.append(sys.argv[1]); before = set(sys.modules);"
        "runpy.run_path(sys.argv[1] + '/' + sys.argv[2]);"
        "print(*sorted({m.split('.')[0] for m in set(sys.modules) - before}))"
    )
    done = subprocess.run([sys.executable, "-c", script, FOLDER, file], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    heavy = {"tensorflow", "tf_keras", "pandas", "numpy", "pyarrow", "pandera", "pydantic", "psycopg2"}
    assert not loaded & heavy


def test_the_check_runs_every_hour_by_the_nights_clock(dags: dict[str, DAG]) -> None:
    check, night = dags["check_recommendations"], dags["nightly_recommendations"]
    timetable: Any = check.timetable
    assert (timetable.expression, str(timetable.timezone)) == ("0 * * * *", "America/Bogota")
    other: Any = night.timetable
    assert str(other.timezone) == str(timetable.timezone)
    assert (check.max_active_runs, check.catchup) == (1, False)


def test_people_find_their_way(dags: dict[str, DAG]) -> None:
    check = dags["check_recommendations"]
    assert "docs/runbook.md" in (check.doc_md or "")
    assert check.tags == dags["nightly_recommendations"].tags


def test_only_what_may_pass_is_retried(dags: dict[str, DAG]) -> None:
    settings: Any = vars(dags["check_recommendations"].get_task("check"))
    night: Any = vars(dags["nightly_recommendations"].get_task("publish"))
    assert settings["execution_timeout"] == timedelta(minutes=10)
    assert settings["retry_policy"].serialize() == night["retry_policy"].serialize()
    for same in ("retries", "retry_delay", "retry_exponential_backoff", "max_retry_delay"):
        assert settings[same] == night[same]
    # As the scheduler sees it: written to the database and read back.
    policy = type(settings["retry_policy"]).deserialize(settings["retry_policy"].serialize())
    assert policy.evaluate(StaleRecommendations("old", action="look"), 1, 3).action == RetryAction.FAIL
    assert policy.evaluate(DatabaseAway("gone", action="wait"), 1, 3).action != RetryAction.FAIL
