"""Processes that are killed while the night runs: the night ends all the same."""

from __future__ import annotations

import contextlib

import psutil

from tests.e2e.stack import Airflow, wait_until
from tests.stack.conftest import Live
from tests.stack.watching import Watcher


def busy_workers(live: Live) -> list[list[psutil.Process]]:
    """The executor's workers that have a task, each with all that it has started."""
    found = []
    for process in live.stack.processes("airflow-scheduler"):
        with contextlib.suppress(psutil.NoSuchProcess):
            children = process.children(recursive=True)
            if children and "LocalExecutor" in " ".join(process.cmdline()):
                found.append([process, *children])
    return found


def test_a_killed_worker_and_a_restarted_scheduler_only_cost_time(
    live: Live, airflow: Airflow, watched: Watcher
) -> None:
    wait_until(lambda: not busy_workers(live), 120, "the tasks of earlier runs to end")
    run_id = airflow.trigger({})
    workers: list[list[psutil.Process]] = []

    def at_its_training() -> bool:
        workers[:] = busy_workers(live)
        # Still running when the workers have been looked at: the only one that has a task has this one.
        return len(workers) == 1 and airflow.states(run_id).get("train") == {"running"}

    wait_until(at_its_training, 240, "the training to be the only task")
    for process in workers[0]:
        process.kill()
    wait_until(lambda: airflow.states(run_id).get("train") != {"running"}, 240, "the loss to be noticed")
    wait_until(lambda: airflow.states(run_id).get("refit") == {"running"}, 240, "the night to go on")
    live.stack.kill("airflow-scheduler")
    live.stack.restart("airflow-scheduler")
    assert airflow.finish(run_id, 600) == "success", airflow.states(run_id)
    tries = {task["task_id"]: task["try_number"] for task in airflow.tasks(run_id)}
    assert tries["train"] == 2
    assert live.rows("select run_id from recommender.recommendation_status") == [{"run_id": run_id}]
