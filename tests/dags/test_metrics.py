"""What the tasks send through Airflow's own metrics, received by a real StatsD socket."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import BundleDagBag

from recommender_job.storage.database import Database, plain_url
from tests.publishing.by_hand import publish

FOLDER = Path(__file__).resolve().parents[2] / "dags"

#: Has a task of the night fail for good, as the supervisor does, with the gate's own error.
BLOCKED = """
import sys
sys.path.append(sys.argv[1])
from types import SimpleNamespace
from airflow.sdk.execution_time import task_runner
from airflow.sdk.observability.metrics import stats_utils
from airflow.sdk.observability import stats
from recommender_metrics import send_failure
from recommender_job.errors import GateBlocked, DatabaseAway
stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=False)
blocked = GateBlocked("no", action="look", figures={"passed": False, "rmse": 1.25, "reasons": ["no"]})
send_failure({"ti": SimpleNamespace(task_id="gate"), "exception": blocked})
send_failure({"ti": SimpleNamespace(task_id="train"), "exception": DatabaseAway("no", action="wait")})
"""


@pytest.fixture
def statsd() -> Iterator[socket.socket]:
    """Where metrics arrive; what has arrived is kept by the kernel until it is read."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        yield receiver


@pytest.fixture
def env(statsd: socket.socket, database: Database, tmp_path: Path) -> dict[str, str]:
    outside = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    return outside | {
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(FOLDER),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_PORT": str(statsd.getsockname()[1]),
        "RECOMMENDER_DATABASE_URL": plain_url(database.url),
    }


def airflow(env: dict[str, str], *arguments: str) -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "airflow", *arguments], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def received(statsd: socket.socket) -> dict[str, str]:
    """The job's own lines: name and value, with its kind."""
    lines = []
    while True:
        try:
            lines.append(statsd.recv(65536).decode())
        except BlockingIOError:
            break
    pairs = [line.split(":", 1) for packet in lines for line in packet.splitlines()]
    return {name.removeprefix("airflow.recommender."): value for name, value in pairs if ".recommender." in name}


def test_freshness_arrives_from_a_real_run(statsd: socket.socket, env: dict[str, str], database: Database) -> None:
    publish(database, {1: (5,)}, data_through=datetime.now(UTC))
    airflow(env, "db", "migrate")
    airflow(env, "dags", "test", "check_recommendations")
    found = received(statsd)
    assert found["metrics.is_stale"] == "0.0|g"
    assert 0 <= float(found["metrics.data_age_seconds"].removesuffix("|g")) < 120
    assert 36 * 3600 - 120 < float(found["metrics.expires_in_seconds"].removesuffix("|g")) <= 36 * 3600


def test_a_blocked_gate_tells_its_figures(statsd: socket.socket, env: dict[str, str]) -> None:
    subprocess.run([sys.executable, "-c", BLOCKED, FOLDER], env=env, capture_output=True, check=True)
    assert received(statsd) == {
        "gate.failed": "1|c", "gate.passed": "0.0|g", "gate.rmse": "1.25|g", "train.failed": "1|c",
    }  # fmt: skip


def test_every_task_tells() -> None:
    bag = BundleDagBag(FOLDER, bundle_path=FOLDER)
    for dag in bag.dags.values():
        for task in dag.tasks:
            settings = task.partial_kwargs if task.is_mapped else vars(task)
            for when, name in (("on_success_callback", "send_summary"), ("on_failure_callback", "send_failure")):
                told = settings[when]
                callbacks = told if isinstance(told, list | tuple) else [told]
                assert name in [getattr(callback, "__name__", "") for callback in callbacks], (task.task_id, when)
