"""A running Airflow, spoken to as people and scripts do: through the REST API."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx

DAG = "nightly_recommendations"
#: Of the job's account; the server trusts everybody and does not ask for it.
PASSWORD = "Vx93-zebra-lantern-Qk47"


class Airflow:
    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=30)

    def log_in(self, user: str = "", password: str = "") -> None:
        """Asks for a token; a server that trusts everybody gives it to nobody in particular."""
        if user:
            answer = self.client.post("/auth/token", json={"username": user, "password": password})
        else:
            answer = self.client.get("/auth/token")
        token = answer.raise_for_status().json()["access_token"]
        self.client.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        response = self.client.request(method, f"/api/v2/{path}", json=body)
        assert response.is_success, response.text
        return dict(response.json())

    def trigger(self, conf: dict[str, Any]) -> str:
        return str(self.call("POST", f"dags/{DAG}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"])

    def runs(self) -> list[str]:
        """The DAG's runs, the oldest first."""
        runs = self.call("GET", f"dags/{DAG}/dagRuns?order_by=run_after")["dag_runs"]
        return [str(run["dag_run_id"]) for run in runs]

    def tasks(self, run_id: str) -> list[dict[str, Any]]:
        return list(self.call("GET", f"dags/{DAG}/dagRuns/{run_id}/taskInstances")["task_instances"])

    def states(self, run_id: str) -> dict[str, set[str | None]]:
        """The states of each task's instances."""
        found: dict[str, set[str | None]] = {}
        for task in self.tasks(run_id):
            found.setdefault(task["task_id"], set()).add(task["state"])
        return found

    def run_state(self, run_id: str) -> str:
        return str(self.call("GET", f"dags/{DAG}/dagRuns/{run_id}")["state"])

    def finish(self, run_id: str, seconds: float = 240) -> str:
        """Waits for a run to end; returns its state."""
        wait_until(lambda: self.run_state(run_id) in ("success", "failed"), seconds, f"run {run_id} to end")
        return self.run_state(run_id)

    def clear_failed(self, run_id: str) -> None:
        self.call("POST", f"dags/{DAG}/dagRuns/{run_id}/clear", {"dry_run": False, "only_failed": True})

    def clear(self, run_id: str, task_ids: list[Any]) -> None:
        """Clears tasks, each an id or an id with its map index, and what follows them."""
        body = {"dry_run": False, "dag_run_id": run_id, "task_ids": task_ids, "include_downstream": True}
        self.call("POST", f"dags/{DAG}/clearTaskInstances", {**body, "only_failed": False})

    def log(self, run_id: str, task_id: str, try_number: int = 1) -> str:
        url = f"/api/v2/dags/{DAG}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}"
        return self.client.get(url, headers={"Accept": "application/json"}).raise_for_status().text


def wait_until(ready: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.5)


def is_healthy(stack: Airflow) -> bool:
    try:
        health = stack.client.get("/api/v2/monitor/health").json()
    except httpx.HTTPError:
        return False
    return all(health[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "dag_processor"))


def knows_dag(stack: Airflow) -> bool:
    return stack.client.get(f"/api/v2/dags/{DAG}").status_code == 200
