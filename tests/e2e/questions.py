"""The question that a blocked night asks, and its answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.e2e.stack import DAG, Airflow, wait_until


def wait_for_question(airflow: Airflow, home: Path, run_id: str, times: int) -> None:
    """Waits until a run asks, and the scheduler has heard of that: it takes no answer for the end of the question."""
    wait_until(lambda: airflow.states(run_id).get("approve") == {"awaiting_input"}, 120, "the question")

    def heard() -> bool:
        lines = (home / "scheduler.log").read_text("utf-8", "replace").splitlines()
        return (
            sum("Received executor event" in line and "'approve'" in line and run_id in line for line in lines) >= times
        )

    wait_until(heard, 120, "the scheduler to hear of the question")


def answer(airflow: Airflow, run_id: str, option: str, reason: str) -> dict[str, Any]:
    path = f"dags/{DAG}/dagRuns/{run_id}/taskInstances/approve/-1/hitlDetails"
    asked = airflow.call("GET", path)
    airflow.call("PATCH", path, {"chosen_options": [option], "params_input": {"reason": reason}})
    return asked
