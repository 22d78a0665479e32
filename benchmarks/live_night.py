"""Nights in a real Airflow: the stack of docker-compose.yml on this machine, and the times of their tasks.

Airflow tells when a task was started and ended; the lines of its log tell what happened between: when the DAG's file
was parsed, and when the stage began and ended.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from recommender_job.config import load_config
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.importer import import_ratings
from recommender_job.storage.database import Database
from scripts.stack import secrets
from scripts.stack.stack import Stack

DAG = "nightly_recommendations"
PORTS = ("AIRFLOW_PORT", "POSTGRES_PORT", "SCHEDULER_HEALTH_PORT", "WORKER_LOG_PORT", "TRIGGERER_LOG_PORT")
PARSED, FINISHED = "Worker startup parse complete", "stage finished"


@dataclass(frozen=True)
class Spent:
    """Seconds of one task, in the order in which they pass.

    Args:
        name: The task; of several shards the one that ended last.
        waiting: From the end of the task before, or the begin of the night, until it was started.
        starting: Until its process had parsed the DAG's file.
        preparing: Until the stage began: settings, libraries of all stages, the child process.
        stage: The stage itself, as its summary says; None for a task that is none.
        ending: Until Airflow knew that it had ended.
        parsing: Of `starting`, the DAG's file alone.
    """

    name: str
    waiting: float
    starting: float
    preparing: float
    stage: float | None
    ending: float
    parsing: float

    @property
    def whole(self) -> float:
        """All of them together."""
        return self.waiting + self.starting + self.preparing + (self.stage or 0.0) + self.ending


@dataclass(frozen=True)
class Night:
    """The tasks in the order in which they ended, and how long the run took, in seconds."""

    tasks: list[Spent]
    seconds: float


class Airflow:
    """A stack with ratings in its source.

    Args:
        stack: The stack; it runs.
        password: Of the administrator.
    """

    def __init__(self, stack: Stack, password: str) -> None:
        self._logs = Path(stack.environment("airflow-scheduler")["AIRFLOW__LOGGING__BASE_LOG_FOLDER"])
        self._client = httpx.Client(base_url=stack.url, timeout=30)
        answer = self._client.post("/auth/token", json={"username": "admin", "password": password})
        self._client.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"

    def close(self) -> None:
        """Hangs up."""
        self._client.close()

    def switch_on(self, seconds: float = 120) -> None:
        """Waits until the DAG is parsed, and switches it on.

        Raises:
            TimeoutError: It is not parsed.
        """
        deadline = time.monotonic() + seconds
        while self._client.get(f"/api/v2/dags/{DAG}").status_code != httpx.codes.OK:
            if time.monotonic() > deadline:
                raise TimeoutError(f"The DAG is not parsed after {seconds:.0f} s.")
            time.sleep(0.5)
        self._call("PATCH", f"dags/{DAG}", {"is_paused": False})

    def night(self, seconds: float = 600) -> Night:
        """Runs a night.

        Raises:
            TimeoutError: It does not end.
            RuntimeError: It ends badly.
        """
        run = self._call("POST", f"dags/{DAG}/dagRuns", {"logical_date": None})["dag_run_id"]
        deadline, state = time.monotonic() + seconds, "queued"
        while state not in ("success", "failed"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"The night is still {state} after {seconds:.0f} s.")
            time.sleep(1)  # nothing is taken from it but its state, now and then
            found = self._call("GET", f"dags/{DAG}/dagRuns/{run}")
            state = found["state"]
        tasks = self._call("GET", f"dags/{DAG}/dagRuns/{run}/taskInstances")["task_instances"]
        if state == "failed":
            raise RuntimeError(f"The night failed: {[(task['task_id'], task['state']) for task in tasks]}.")
        began, ended = (datetime.fromisoformat(found[name]) for name in ("start_date", "end_date"))
        return Night(self._spent(run, tasks, began), (ended - began).total_seconds())

    def _spent(self, run: str, tasks: list[dict[str, Any]], began: datetime) -> list[Spent]:
        last = {task["task_id"]: task for task in sorted(tasks, key=lambda task: str(task["end_date"]))}
        before, found = began, []
        for task in last.values():
            start, end = (datetime.fromisoformat(task[name]) for name in ("start_date", "end_date"))
            lines = {line["event"]: line for line in self._log(run, task)}
            parsed = datetime.fromisoformat(lines[PARSED]["timestamp"])
            stage, finished = None, end
            if FINISHED in lines:
                stage, finished = lines[FINISHED]["seconds"], datetime.fromisoformat(lines[FINISHED]["timestamp"])
            found.append(
                Spent(
                    task["task_id"],
                    waiting=(start - before).total_seconds(),
                    starting=(parsed - start).total_seconds(),
                    preparing=(finished - parsed).total_seconds() - (stage or 0.0),
                    stage=stage,
                    ending=(end - finished).total_seconds(),
                    parsing=lines[PARSED]["dag_file_parse_ms"] / 1000,
                )
            )
            before = end
        return found

    def _log(self, run: str, task: dict[str, Any]) -> list[dict[str, Any]]:
        folder = self._logs / f"dag_id={DAG}" / f"run_id={run}" / f"task_id={task['task_id']}"
        if task["map_index"] >= 0:
            folder /= f"map_index={task['map_index']}"
        return [json.loads(line) for line in (folder / "attempt=1.log").read_text("utf-8").splitlines()]

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return dict(self._client.request(method, f"/api/v2/{path}", json=body).raise_for_status().json())


@contextlib.contextmanager
def airflow(home: Path, ratings: Path) -> Iterator[Airflow]:
    """A stack of its own on free ports, with the settings that ship; gone in the end.

    Args:
        home: An empty folder.
        ratings: The file that its source is filled with.
    """
    settings = home / "config"
    settings.mkdir()
    for name in ("recommender.toml", "settings.env"):
        (settings / name).touch()
    secrets.ensure(home / "env")
    stack = Stack(home / "data", home / "env", {**_free_ports(), "SETTINGS_FOLDER": str(settings)})
    try:
        stack.start()
        database = Database.of(load_config({"database_url": stack.environment("init")["RECOMMENDER_DATABASE_URL"]}))
        import_ratings(database, ratings, Columns(), now=datetime.now(UTC), scale=(1, 5))
        found = Airflow(stack, secrets.read(home / "env")["AIRFLOW_ADMIN_PASSWORD"])
        with contextlib.closing(found):
            found.switch_on()
            yield found
    finally:
        stack.stop()


def _free_ports() -> dict[str, str]:
    with contextlib.ExitStack() as probes:
        found = {}
        for name in PORTS:
            probe = probes.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            found[name] = str(probe.getsockname()[1])
        return found
