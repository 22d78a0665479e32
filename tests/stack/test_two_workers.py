"""A night on two workers that share nothing but the database, the queue and an object store; one of them is killed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from recommender_job.runs import folder_of
from tests.e2e.stack import DAG, Airflow, wait_until
from tests.object_store import BUCKET, ObjectStore, object_store
from tests.stack.conftest import USERS, Live, administrator, started
from tests.stack.watching import Watcher

WORKERS = ("airflow-worker-1", "airflow-worker-2")
SHARDS = 6
VARIABLES = {
    "COMPOSE_PROFILES": "workers",
    "AIRFLOW_EXECUTOR": "CeleryExecutor",
    "RUNS_URL": f"s3://{BUCKET}/runs",
    "WORKERS": "2",
    "HEARTBEAT_SECONDS": "20",
}


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with object_store() as found:
        yield found


@pytest.fixture(scope="module")
def live(store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The stack with two workers, and the lists of a first night, which the command line has run."""
    with started(tmp_path_factory.mktemp("workers"), VARIABLES, store.environment) as found:
        found.stack.run("airflow-scheduler", "recommender-job", "run", "--as-of", "2024-01-01", "--json")
        yield found


@pytest.fixture(scope="module")
def airflow(live: Live) -> Airflow:
    """Of this stack."""
    return administrator(live)


def shards_of(live: Live, worker: str, run_id: str) -> set[tuple[int, int]]:
    """Shards that a worker has begun, each with its try: of these it has the log."""
    logs = Path(live.stack.environment(worker)["AIRFLOW__LOGGING__BASE_LOG_FOLDER"])
    found = set()
    for log in (logs / f"dag_id={DAG}" / f"run_id={run_id}" / "task_id=score").glob("map_index=*/attempt=*.log"):
        shard, attempt = re.fullmatch(r"map_index=(\d+)/attempt=(\d+)\.log", f"{log.parent.name}/{log.name}").groups()
        found.add((int(shard), int(attempt)))
    return found


def running(airflow: Airflow, run_id: str) -> set[int]:
    return {
        task["map_index"]
        for task in airflow.tasks(run_id)
        if task["task_id"] == "score" and task["map_index"] >= 0 and task["state"] == "running"
    }


def finished(store: ObjectStore, run_id: str) -> set[int]:
    prefix = f"runs/{folder_of(run_id)}/finished/score-"
    return {int(key.removeprefix(prefix).removesuffix(".json")) for key in store.keys(prefix)}


def test_a_killed_worker_costs_the_shard_that_it_was_at(live: Live, airflow: Airflow, store: ObjectStore) -> None:
    airflow.call("PATCH", f"dags/{DAG}", {"is_paused": False})
    (first,) = live.rows("select run_id from recommender.recommendation_status")
    watcher = Watcher(live.database["website"], live.users(), length=live.top_n)
    run_id = airflow.trigger({"shards": SHARDS})
    survivor, victim = WORKERS
    lost: list[int] = []

    def at_its_second() -> bool:
        begun = {shard for shard, _ in shards_of(live, victim, run_id)}
        done = finished(store, run_id)
        lost[:] = (begun - done) & running(airflow, run_id) if begun & done else []
        return bool(lost)

    wait_until(at_its_second, 240, "the second worker to have scored one shard and to be at another one")
    live.stack.kill(victim)
    assert set(lost) & finished(store, run_id) == set(), "killed too late to matter"
    assert airflow.finish(run_id, 400) == "success", airflow.states(run_id)
    complaints = watcher.complaints()
    watcher.close()
    assert complaints == []
    assert watcher.reads > 100
    assert live.rows("select run_id, users from recommender.recommendation_status") == [
        {"run_id": run_id, "users": USERS}
    ]
    assert run_id != first["run_id"]
    assert len(watcher.publications) == 2

    again = {(task["task_id"], task["map_index"]) for task in airflow.tasks(run_id) if task["try_number"] != 1}
    assert again == {("score", lost[0])}
    by_victim, by_survivor = shards_of(live, victim, run_id), shards_of(live, survivor, run_id)
    assert (lost[0], 1) in by_victim
    assert (lost[0], 2) in by_survivor
    assert not by_victim & by_survivor
    assert {shard for shard, _ in by_victim | by_survivor} == set(range(SHARDS))
    assert len(by_victim) >= 2
    assert "stage finished" in airflow.log(run_id, "publish"), "the pages ask the worker, which serves its logs"
    assert json.loads(store.get(f"runs/{folder_of(run_id)}/finished/plan_shards.json"))["shards"] == [*range(SHARDS)]
    assert not [path for path in live.stack.home.rglob("runs/*") if path.is_file()], "nothing is on a worker's own disk"
