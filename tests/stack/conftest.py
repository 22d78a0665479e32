"""The whole stack of docker-compose.yml on this machine, one for each file of live tests, on ports of its own."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras
import pytest
from playwright.sync_api import Browser

from recommender_job.ratings.sample import sample_ratings
from scripts.stack import secrets
from scripts.stack.stack import Stack
from tests.e2e.stack import DAG, Airflow, knows_dag, wait_until
from tests.stack.pages import chromium
from tests.stack.watching import Watcher

USERS, EXPERIENCES, TOP_N = 120, 30, 7
#: A model that takes seconds, and may be bad.
SETTINGS = f"""
top_n = {TOP_N}
[model]
epochs = 3
hidden_layers = [16, 8]
[gate]
max_rmse = 9
"""
PORTS = (
    "AIRFLOW_PORT",
    "POSTGRES_PORT",
    "SCHEDULER_HEALTH_PORT",
    "WORKER_LOG_PORT",
    "TRIGGERER_LOG_PORT",
    "REDIS_PORT",
)


@dataclass
class Live:
    """The stack, and what people and programs outside know of it."""

    stack: Stack
    passwords: dict[str, str]
    runs: Path
    database: dict[str, str]
    top_n: int = TOP_N
    clients: list[Airflow] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where Airflow's pages are."""
        return self.stack.url

    def airflow(self, user: str) -> Airflow:
        """Airflow's REST API, spoken to by one of its users."""
        client = Airflow(self.url)
        self.clients.append(client)
        client.log_in(user, self.passwords[user])
        return client

    def rows(self, sql: str, account: str = "job") -> list[dict[str, Any]]:
        """Rows of a statement of one of the accounts."""
        connect = psycopg2.connect(self.database[account], cursor_factory=psycopg2.extras.RealDictCursor)
        with contextlib.closing(connect) as connection, connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return [dict(row) for row in cursor.fetchall()]

    def make_due(self, dag: str) -> None:
        """Makes it two o'clock at night for one DAG: its schedule starts the next run now."""
        self.rows(
            "update dag set next_dagrun_create_after = now() - interval '1 minute'"
            f" where dag_id = '{dag}' returning dag_id",
            account="airflow",
        )

    def users(self) -> list[int]:
        """Users who have a list."""
        rows = self.rows("select distinct user_id from recommender.recommendations order by user_id")
        return [row["user_id"] for row in rows]


def _free_ports(number: int) -> list[str]:
    probes = [socket.socket() for _ in range(number)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [str(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


@contextlib.contextmanager
def started(home: Path, variables: dict[str, str], settings: dict[str, str]) -> Iterator[Live]:
    """A stack, healthy, with ratings in its source and nothing published; gone in the end.

    Args:
        home: An empty folder.
        variables: Of the compose file, over those of every test.
        settings: What `settings.env` holds.
    """
    config = home / "config"
    config.mkdir()
    (config / "recommender.toml").write_text(SETTINGS)
    (config / "settings.env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    ports = dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))
    env_file = home / "env"
    secrets.ensure(env_file)
    stack = Stack(
        home / "data", env_file, {**ports, "SETTINGS_FOLDER": str(config), "HEARTBEAT_SECONDS": "30", **variables}
    )
    try:
        stack.start()
        ratings = home / "ratings.csv"
        sample_ratings(USERS, EXPERIENCES, seed=1).to_csv(ratings, index=False)
        stack.run("init", "recommender-job", "import-ratings", str(ratings))
        secret = secrets.read(env_file)
        server = f"127.0.0.1:{ports['POSTGRES_PORT']}"
        found = Live(
            stack,
            {user: secret[f"AIRFLOW_{user.upper()}_PASSWORD"] for user in ("admin", "ops", "looker")},
            Path(stack.environment("airflow-scheduler")["RECOMMENDER_RUNS_URL"]),
            {
                "job": f"postgresql://job:{secret['JOB_PASSWORD']}@{server}/recommender",
                "website": f"postgresql://website:{secret['WEBSITE_PASSWORD']}@{server}/recommender",
                "airflow": f"postgresql://airflow:{secret['AIRFLOW_DATABASE_PASSWORD']}@{server}/airflow",
            },
        )
        yield found
        for client in found.clients:
            client.client.close()
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The stack of one machine; gone before another file starts its own."""
    with started(tmp_path_factory.mktemp("stack"), {}, {}) as found:
        yield found


def administrator(live: Live) -> Airflow:
    """The REST API for the administrator, with the DAG parsed."""
    client = live.airflow("admin")
    wait_until(lambda: knows_dag(client), 120, "the DAG to be parsed")
    return client


@pytest.fixture(scope="module")
def airflow(live: Live) -> Airflow:
    """See `administrator`."""
    return administrator(live)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def first_run(live: Live, airflow: Airflow) -> str:
    """The run that the schedule starts at two o'clock."""
    airflow.call("PATCH", f"dags/{DAG}", {"is_paused": False})

    def started() -> bool:
        live.make_due(DAG)
        return bool(airflow.runs())

    wait_until(started, 120, "the schedule to start a run")
    run_id = airflow.runs()[0]
    assert airflow.finish(run_id) == "success", airflow.states(run_id)
    return run_id


@pytest.fixture
def watched(live: Live, first_run: str) -> Iterator[Watcher]:
    """Somebody reads the lists all the while, and none of them may be anything but whole."""
    watcher = Watcher(live.database["website"], live.users(), length=live.top_n)
    yield watcher
    complaints = watcher.complaints()
    watcher.close()
    assert complaints == []
    assert watcher.reads > 100
