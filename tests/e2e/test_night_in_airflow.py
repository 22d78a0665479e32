"""The night in a real Airflow: green, blocked, broken and repaired, retried; and what the website sees meanwhile."""

from __future__ import annotations

import contextlib
import re
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from recommender_job.publishing.publications import lock
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.importer import import_ratings
from recommender_job.ratings.sample import sample_ratings
from recommender_job.reporting.nights import nights
from recommender_job.runs import folder_of
from recommender_job.storage import embedded
from recommender_job.storage.database import Database
from tests.e2e.stack import DAG, PASSWORD, Airflow, wait_until

STAGES = [
    "extract", "clean", "train", "evaluate", "gate", "approve", "refit", "plan_shards", "score", "publish", "announce",
    "report",
]  # fmt: skip
QUICK = {"model.epochs": 3, "model.hidden_layers": "16,8", "gate.max_rmse": 9}
USERS = 120


@pytest.fixture(scope="module", autouse=True)
def ratings(live_database: Database, home: Path) -> None:
    file = home / "sample.csv"
    sample_ratings(USERS, 30, seed=1).to_csv(file, index=False)
    import_ratings(live_database, file, Columns(), now=datetime.now(UTC), scale=(1, 5))


@pytest.fixture(scope="module")
def first_run(airflow: Airflow) -> str:
    """A run that went green, started before the DAG's own schedule may start one."""
    run_id = airflow.trigger({"settings": QUICK, "top_n": 7, "shards": 3})
    airflow.call("PATCH", f"dags/{DAG}", {"is_paused": False})
    assert airflow.finish(run_id) == "success", airflow.states(run_id)
    return run_id


def live(database: Database) -> dict[str, Any]:
    with database.transaction() as transaction:
        row = transaction.rows(
            "select publication_id, count(*) as rows, count(distinct user_id) as users"
            " from recommender.recommendations group by publication_id"
        )
    assert len(row) == 1, "the view shows exactly one publication"
    return row[0]


def outcome(database: Database, run_id: str) -> tuple[str, str]:
    """What the table of nights says of a run, and the word on top of its report."""
    night = next(night for night in nights(database, 100) if night["run_id"] == run_id)
    found = re.search('class="word">([^<]*)<', Path(night["report"]).read_text("utf-8"))
    assert found
    return night["outcome"], found.group(1)


def test_every_task_of_a_good_night_succeeds(airflow: Airflow, first_run: str, live_database: Database) -> None:
    assert airflow.states(first_run) == {stage: {"success"} for stage in STAGES}
    shards = [task for task in airflow.tasks(first_run) if task["task_id"] == "score"]
    assert [shard["rendered_map_index"] for shard in shards] == ["shard 0", "shard 1", "shard 2"]
    with live_database.transaction() as transaction:
        mine = transaction.rows(
            "select publication_id, users, rows from recommender.publication where run_id = :run_id", run_id=first_run
        )
    assert [(row["users"], row["rows"]) for row in mine] == [(USERS, USERS * 7)]
    assert outcome(live_database, first_run) == ("published", "Published")


def test_every_stage_has_sent_its_figures(first_run: str, statsd: socket.socket) -> None:
    found: dict[str, list[str]] = {}
    with contextlib.suppress(BlockingIOError):
        while True:
            name, value = statsd.recv(65536).decode().split(":", 1)
            found.setdefault(name.removeprefix("airflow.recommender."), []).append(value)
    timed = {name.removesuffix(".duration") for name in found if name.endswith(".duration")}
    assert timed == {*STAGES} - {"approve", "plan_shards", "announce"}, "these three return no summary"
    assert len(found["score.duration"]) == 3
    assert f"{USERS * 7}.0|g" in found["publish.rows"]
    assert found["gate.passed"][0] == "1.0|g"
    assert 0 < float(found["evaluate.rmse"][0].removesuffix("|g")) < 9
    assert not [name for name in found if name.endswith(".failed")]


def test_publishing_tells_waiting_dags(airflow: Airflow, first_run: str) -> None:
    events = airflow.call("GET", "assets/events")["asset_events"]
    mine = [event for event in events if event["source_run_id"] == first_run]
    assert [event["extra"]["rows"] for event in mine] == [USERS * 7]


def test_a_broken_shard_fails_the_run_and_clearing_what_failed_repairs_it_and_its_report(
    airflow: Airflow, first_run: str, live_database: Database, home: Path
) -> None:
    before = live(live_database)
    weights = home / "runs" / folder_of(first_run) / "refit" / "model" / "weights.json"
    aside = weights.rename(weights.with_suffix(".aside"))
    airflow.clear(first_run, [["score", 1]])
    assert airflow.finish(first_run) == "failed"
    ended = {"score": {"success", "failed"}, "publish": {"upstream_failed"}, "announce": {"upstream_failed"}}
    assert airflow.states(first_run) == {stage: {"success"} for stage in STAGES} | ended | {"report": {"failed"}}
    assert "The report is written" in airflow.log(first_run, "report", 2)
    assert outcome(live_database, first_run) == ("failed", "Failed")
    assert live(live_database) == before

    aside.rename(weights)
    airflow.clear_failed(first_run)
    assert airflow.finish(first_run) == "success"
    assert airflow.states(first_run) == {stage: {"success"} for stage in STAGES}
    assert outcome(live_database, first_run) == ("published", "Published")
    after = live(live_database)
    assert after["publication_id"] > before["publication_id"]
    assert (after["rows"], after["users"]) == (USERS * 7, USERS)


def test_a_blocked_gate_stops_the_night_at_once(airflow: Airflow, first_run: str, live_database: Database) -> None:
    before = live(live_database)
    run_id = airflow.trigger({"settings": {**QUICK, "gate.max_rmse": 0.1}})
    assert airflow.finish(run_id) == "failed"
    after_gate = {"approve", "refit", "plan_shards", "score", "publish", "announce"}
    expected = {stage: {"upstream_failed"} if stage in after_gate else {"success"} for stage in STAGES}
    assert airflow.states(run_id) == {**expected, "gate": {"failed"}, "report": {"failed"}}
    gate = next(task for task in airflow.tasks(run_id) if task["task_id"] == "gate")
    assert gate["try_number"] == 1, "a blocked gate is not retried"
    log = airflow.log(run_id, "gate")
    assert "GateBlocked" in log
    assert "global_mean" in log
    assert "gateblocked" in log, "the log names the runbook's section"
    assert outcome(live_database, run_id) == ("blocked", "Blocked")
    assert live(live_database) == before


def test_a_broken_source_fails_the_run_and_clearing_it_repairs_it_though_a_passing_trouble_is_retried(
    airflow: Airflow, first_run: str, live_database: Database
) -> None:
    """In a dry run, which builds and checks a publication and does not switch to it."""
    before = live(live_database)
    with live_database.transaction() as transaction:
        transaction.run("alter table website.ratings rename to ratings_gone")
    run_id = airflow.trigger({"settings": QUICK, "dry_run": True})
    assert airflow.finish(run_id) == "failed"
    expected = {stage: {"upstream_failed"} for stage in STAGES}
    assert airflow.states(run_id) == {**expected, "extract": {"failed"}, "report": {"failed"}}
    assert outcome(live_database, run_id) == ("failed", "Failed")
    assert "SourceBroken" in airflow.log(run_id, "extract")
    assert live(live_database) == before

    with live_database.transaction() as transaction:
        transaction.run("alter table website.ratings_gone rename to ratings")
    with live_database.transaction() as transaction:
        lock(transaction)  # another publisher is at work
        airflow.clear_failed(run_id)
        wait_until(lambda: airflow.states(run_id).get("publish") == {"up_for_retry"}, 180, "publish to be retried")
        assert "PublicationBusy" in airflow.log(run_id, "publish")
    assert airflow.finish(run_id) == "success"
    assert airflow.states(run_id) == {**{stage: {"success"} for stage in STAGES}, "announce": {"skipped"}}
    publish = next(task for task in airflow.tasks(run_id) if task["task_id"] == "publish")
    assert publish["try_number"] == 2
    assert outcome(live_database, run_id) == ("dry run", "Dry run")
    assert live(live_database) == before
    with live_database.transaction() as transaction:
        shadow = transaction.rows(
            "select published_at, users, rows from recommender.publication where run_id = :id", id=run_id
        )
    assert [tuple(row.values()) for row in shadow] == [(None, USERS, USERS * 10)]


def test_a_report_that_cannot_be_kept_is_red_and_the_night_stays_green(
    airflow: Airflow, first_run: str, live_database: Database
) -> None:
    with live_database.transaction() as transaction:
        transaction.run("alter table recommender.night rename to night_gone")
    try:
        airflow.clear(first_run, ["report"])
        assert airflow.finish(first_run) == "success"
    finally:
        with live_database.transaction() as transaction:
            transaction.run("alter table recommender.night_gone rename to night")
    assert airflow.states(first_run) == {stage: {"success"} for stage in STAGES} | {"report": {"failed"}}


def test_nothing_that_airflow_keeps_holds_the_password(airflow: Airflow, first_run: str, home: Path) -> None:
    logs = [path for path in [*home.glob("*.log"), *(home / "airflow" / "logs").rglob("*")] if path.is_file()]
    assert any("stage finished" in log.read_text("utf-8", "replace") for log in logs)
    assert [log for log in logs if PASSWORD in log.read_text("utf-8", "replace")] == []
    with Database(embedded.start(home, "airflow")).transaction() as transaction:
        tables = [
            row["t"] for row in transaction.rows("select tablename as t from pg_tables where schemaname = 'public'")
        ]
        kept = {
            table: str(transaction.rows(f"select row_to_json(t)::text as line from {table} as t")) for table in tables
        }
    assert "model_version" in kept["xcom"]
    assert [table for table, rows in kept.items() if PASSWORD in rows] == []
