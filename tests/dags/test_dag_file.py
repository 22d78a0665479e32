"""The DAG file: quick to import, and wired as the design says."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult

import pytest
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.sdk import DAG, Asset, RetryAction
from airflow.sdk.definitions import asset

from recommender_job.errors import DatabaseAway, GateBlocked, ProcessDied

FOLDER = Path(__file__).resolve().parents[2] / "dags"
FILE = FOLDER / "nightly_recommendations.py"
ORDER = [
    "extract", "clean", "train", "evaluate", "gate", "approve", "refit", "plan_shards", "score", "publish", "announce",
]  # fmt: skip


@pytest.fixture(scope="module")
def dag() -> DAG:
    bag = BundleDagBag(FILE, bundle_path=FOLDER)
    assert bag.import_errors == {}
    assert bag.dag_ids == ["nightly_recommendations"]
    return bag.dags["nightly_recommendations"]


def test_tasks_run_in_the_order_of_the_night(dag: DAG) -> None:
    assert set(dag.task_ids) == {*ORDER, "report"}
    for earlier, later in itertools.pairwise(ORDER):
        assert later in dag.get_task(earlier).downstream_task_ids


def test_the_report_follows_whatever_became_of_the_night_and_decides_nothing(dag: DAG) -> None:
    report = dag.get_task("report")
    assert report.is_teardown
    assert not report.on_failure_fail_dagrun
    # Not before all shards have ended: publishing gives up as soon as one has failed.
    assert report.upstream_task_ids == {"announce", "score"}
    assert all("report" in dag.get_task(stage).get_flat_relative_ids(upstream=False) for stage in ORDER)


def test_scoring_is_mapped_over_shards(dag: DAG) -> None:
    assert dag.get_task("score").is_mapped


def test_every_stage_works_in_a_process_that_the_task_outlives() -> None:
    """But for those that only ask and tell."""
    called = re.findall(r"in_child\(nightly\.(\w+), \*night\(\)", FILE.read_text("utf-8"))
    assert sorted([*called, "approve", "announce"]) == sorted([*ORDER, "report"])


def test_what_takes_much_memory_waits_in_the_pool_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def pools() -> dict[str, str]:
        tasks = BundleDagBag(FILE, bundle_path=FOLDER).dags["nightly_recommendations"].tasks
        return {task.task_id: task.pool for task in tasks}

    monkeypatch.delenv("RECOMMENDATIONS_POOL", raising=False)
    assert set(pools().values()) == {"default_pool"}, "it is there in every Airflow"
    monkeypatch.setenv("RECOMMENDATIONS_POOL", "heavy")
    assert {task for task, pool in pools().items() if pool == "heavy"} == {"train", "evaluate", "refit", "score"}


def test_schedule(dag: DAG) -> None:
    assert dag.max_active_runs == 1
    assert not dag.catchup
    timetable: Any = dag.timetable
    assert timetable.expression == "0 2 * * *"
    assert str(timetable.timezone) == "America/Bogota"


def test_people_find_their_way(dag: DAG) -> None:
    assert dag.doc_md
    assert "docs/runbook.md" in dag.doc_md
    assert {"top_n", "shards", "cutoff", "dry_run", "when_blocked", "settings"} == set(dag.params)


def notices(callbacks: Sequence[Any]) -> list[str]:
    """What the notices among the callbacks tell of."""
    return [callback.of for callback in callbacks if hasattr(callback, "of")]


@pytest.mark.parametrize("task_id", [*ORDER, "report"])
def test_only_what_may_pass_is_retried(dag: DAG, task_id: str) -> None:
    task: Any = dag.get_task(task_id)
    settings = task.partial_kwargs if task.is_mapped else vars(task)
    assert settings["retries"] >= 1
    assert settings["execution_timeout"] >= timedelta(minutes=1)
    policy = settings["retry_policy"]
    # As the scheduler sees it: written to the database and read back.
    policy = type(policy).deserialize(policy.serialize())
    blocked = GateBlocked("no", action="look", figures={})
    assert policy.evaluate(blocked, 1, 3).action == RetryAction.FAIL
    for passing in (DatabaseAway("gone", action="wait"), ProcessDied("killed", action="look")):
        assert policy.evaluate(passing, 1, 3).action != RetryAction.FAIL
    assert policy.evaluate(KeyError("a defect"), 1, 3).action == RetryAction.FAIL
    assert notices(settings["on_failure_callback"]) == ["failure"]
    assert settings["on_failure_callback"][-1].of == "failure", "nothing is logged after it"
    assert notices(settings["on_retry_callback"]) == ["retry"]


def test_a_good_night_is_told_once(dag: DAG) -> None:
    told = {task.task_id: notices(task.on_success_callback) for task in dag.tasks if not task.is_mapped}
    assert told == {**{task_id: [] for task_id in told}, "announce": ["success"]}


def test_the_published_table_is_an_asset_that_only_announce_touches(dag: DAG) -> None:
    outlets = {task.task_id: [outlet.name for outlet in task.outlets] for task in dag.tasks if task.outlets}
    assert outlets == {"announce": ["recommendations"]}


def test_the_asset_has_an_address_that_the_postgres_provider_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider need not be there, but where it is, an address it does not accept breaks the whole file."""

    def as_the_provider_does(uri: SplitResult) -> SplitResult:
        if not uri.netloc or len(uri.path.split("/")) != 4:
            raise ValueError("URI format postgres:// must contain host, database, schema, and table names")
        return uri

    monkeypatch.setattr(asset, "_get_uri_normalizer", {"postgres": as_the_provider_does}.get)
    with pytest.raises(ValueError, match="must contain"):
        Asset("asked at all", uri="postgres://host/table")
    bag = BundleDagBag(FILE, bundle_path=FOLDER)
    assert bag.import_errors == {}
    (outlet,) = bag.dags["nightly_recommendations"].get_task("announce").outlets
    page = (FOLDER.parent / "docs" / "install.md").read_text("utf-8")
    assert f'schedule=[Asset("{outlet.name}", uri="{outlet.uri}")]' in page
