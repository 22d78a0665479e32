"""A real Airflow beside the real database: API server, scheduler and DAG processor as processes of their own."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from recommender_job.config import ENV_PREFIX
from recommender_job.storage import embedded, schema
from recommender_job.storage.database import Database, plain_url
from tests.e2e.stack import PASSWORD, Airflow, is_healthy, knows_dag, wait_until

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("night")


@pytest.fixture(scope="module")
def live_database(home: Path) -> Iterator[Database]:
    """A migrated database of its own, which the DAG's tasks use too."""
    database = Database(embedded.start(home))
    schema.migrate(database)
    yield database
    embedded.stop(home)


@pytest.fixture(scope="module")
def statsd() -> Iterator[socket.socket]:
    """Where the metrics of all processes arrive; the kernel keeps the first ones until somebody reads them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        yield receiver


@pytest.fixture(scope="module")
def airflow_env(home: Path, live_database: Database, statsd: socket.socket) -> dict[str, str]:
    """Environment of every Airflow process and of the job inside it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    metadata: sa.URL = embedded.start(home, "airflow")
    outside = {name: value for name, value in os.environ.items() if not name.startswith((ENV_PREFIX, "AIRFLOW"))}
    return outside | {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__FERNET_KEY": "",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__METRICS__METRICS_ALLOW_LIST": "recommender",
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_PORT": str(statsd.getsockname()[1]),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata.render_as_string(hide_password=False),
        "RECOMMENDER_DATABASE_URL": plain_url(live_database.url.set(password=PASSWORD)),
        "RECOMMENDER_HOME": str(home),
    }


@pytest.fixture(scope="module")
def airflow(home: Path, airflow_env: dict[str, str]) -> Iterator[Airflow]:
    """The services, healthy, with the DAG parsed and switched on."""
    subprocess.run([BIN / "airflow", "db", "migrate"], env=airflow_env, check=True, capture_output=True)
    url = f"http://127.0.0.1:{airflow_env['AIRFLOW__API__PORT']}"
    processes = []
    for service in ("api-server", "scheduler", "dag-processor"):
        with (home / f"{service}.log").open("w") as log:
            processes.append(
                subprocess.Popen(
                    [BIN / "airflow", service],
                    env=airflow_env,
                    stdout=log,
                    stderr=log,
                    cwd=home,
                    start_new_session=True,
                )
            )
    stack = Airflow(url)
    try:
        wait_until(lambda: is_healthy(stack), 120, f"Airflow to come up; see {home}/*.log")
        stack.log_in()
        wait_until(lambda: knows_dag(stack), 90, "the DAG to be parsed")
        yield stack
    finally:
        stack.client.close()
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
