"""Airflow's API server with the plugin, its own database and the recommender's, for the browser."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from recommender_job.config import ENV_PREFIX
from recommender_job.reporting.nights import Night, record
from recommender_job.storage.database import Database, plain_url
from tests.e2e.stack import wait_until
from tests.publishing.by_hand import publish

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
RUN_IN_AIRFLOW = """
    insert into dag_run (dag_id, run_id, state, run_type, run_after, span_status, clear_number)
    values ('nightly_recommendations', 'night-b', 'success', 'manual', now(), 'ended', 0)
"""
USERS = {"olga": "op", "vera": "viewer"}


@dataclass(frozen=True)
class Stack:
    """An Airflow with the plugin.

    Args:
        url: Where it is served.
        passwords: Of each user: `olga` may edit DAGs, `vera` may look.
        database: The recommender's.
        older: A kept publication, which was live before
        newer: the one that is live.
    """

    url: str
    passwords: dict[str, str]
    database: Database
    older: int
    newer: int


@pytest.fixture(scope="module")
def stack(server: sa.URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The API server alone: nothing is scheduled."""
    home = tmp_path_factory.mktemp("api-server")
    with Database(server.set(database="postgres")).autocommit() as session:
        session.define("create database {name} template template", {"name": "plugin_page"})
        session.define("create database {name}", {"name": "plugin_page_airflow"})
    database = Database(server.set(database="plugin_page"))
    older, newer = two_nights(database, home / "runs")
    passwords = {name: secrets.token_hex(8) for name in USERS}
    (home / "passwords.json").write_text(json.dumps(passwords))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    outside = {name: value for name, value in os.environ.items() if not name.startswith((ENV_PREFIX, "AIRFLOW"))}
    metadata = server.set(database="plugin_page_airflow").render_as_string(hide_password=False)
    environment = outside | {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in USERS.items()),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata,
        "RECOMMENDER_DATABASE_URL": plain_url(database.url),
        "RECOMMENDER_RUNS_URL": str(home / "runs"),
    }
    for command in (["db", "migrate"], ["dags", "reserialize"]):
        subprocess.run([BIN / "airflow", *command], env=environment, check=True, capture_output=True, cwd=home)
    with Database(server.set(database="plugin_page_airflow")).transaction() as transaction:
        transaction.run(RUN_IN_AIRFLOW)
    url = f"http://127.0.0.1:{port}"
    with (home / "api-server.log").open("w") as log:
        process = subprocess.Popen([BIN / "airflow", "api-server"], env=environment, stdout=log, stderr=log, cwd=home)
    try:
        wait_until(lambda: answers(url), 120, f"the API server to come up; see {log.name}")
        yield Stack(url, passwords, database, older, newer)
    finally:
        process.terminate()
        process.wait(30)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/v2/version").is_success
    except httpx.HTTPError:
        return False


def two_nights(database: Database, runs: Path) -> tuple[int, int]:
    """Two publications, a month of nights, and a report of the last one."""
    now = datetime.now(UTC)
    yesterday, before = now - timedelta(hours=18), now - timedelta(hours=42)
    older = publish(database, {42: range(1, 11)}, run_id="night-a", data_through=before, name="Paseo ", crowd=50)
    newer = publish(database, {42: range(5, 15)}, run_id="night-b", data_through=yesterday, name="Café ", crowd=60)
    report = runs / "night-b" / "report" / "report.html"
    report.parent.mkdir(parents=True)
    report.write_text(
        "<!doctype html><title>Report</title><h1>The report of night-b</h1><script>document.title=1</script>"
    )
    for day in range(2, 30):
        rmse = 0.6 + (day * 7 % 11) / 200
        record(database, Night(f"night-{day}", now - timedelta(days=day + 1), "published", (), rmse, 0.7, day))
    reasons = ("RMSE 0.7312 lies above the bound `gate.max_rmse` of 0.7000.", "Significantly worse than `user_mean`.")
    record(database, Night("night-x", now - timedelta(days=2, hours=3), "blocked", reasons, 0.7312, 0.7))
    record(database, Night("night-a", before, "published", (), 0.6412, 0.7, older))
    record(database, Night("night-b", yesterday, "published", (), 0.6371, 0.7, newer, str(report)))
    record(database, Night("night-c", now, "failed", ("SourceSuspicious: 4,102 ratings, expected about 11,000.",)))
    return older, newer
