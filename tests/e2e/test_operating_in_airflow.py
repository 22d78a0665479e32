"""What people who run the night see in a real Airflow: a question, an answer, and failures that say what to do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from recommender_job.publishing.publications import publications, status
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.importer import import_ratings
from recommender_job.ratings.sample import sample_ratings
from recommender_job.runs import folder_of
from recommender_job.storage.database import Database
from tests.e2e.conftest import ROOT
from tests.e2e.questions import answer, wait_for_question
from tests.e2e.stack import DAG, Airflow, wait_until
from tests.e2e.troubles import bad_data, damaged_plan, database_down, last_block, log_lines, no_room, try_of
from tests.sinks import HookSink, MailSink, serving

QUICK = {"model.epochs": 3, "model.hidden_layers": "16,8", "gate.max_rmse": 9}
BLOCKED = {**QUICK, "gate.max_rmse": 0.1}
TOKEN = "T0K3N-of-the-chat"
RUNBOOK = "https://ops.example/runbook"
#: A DAG whose only task crashes in native code, or meets a defect: everything else as in the real ones.
BROKEN = """
import ctypes
from airflow.sdk import dag, task
from recommender_retries import CALLBACKS, RETRIES


def crash():
    ctypes.string_at(0)


@dag(default_args={**RETRIES, **CALLBACKS, "retries": 0}, schedule=None)
def broken():
    @task
    def crashes():
        from recommender_job.isolation import in_child
        in_child(crash)

    @task(retries=3)
    def defect():
        from recommender_job.isolation import in_child
        in_child({}.__getitem__, "no such key")

    crashes()
    defect()


broken()
"""


@pytest.fixture(scope="module")
def hook() -> Iterator[HookSink]:
    with serving(HookSink()) as sink:
        yield sink


@pytest.fixture(scope="module")
def mail() -> Iterator[MailSink]:
    with serving(MailSink()) as sink:
        yield sink


@pytest.fixture(scope="module")
def airflow_env(airflow_env: dict[str, str], home: Path, hook: HookSink, mail: MailSink) -> dict[str, str]:
    shutil.copytree(ROOT / "dags", home / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    (home / "dags" / "broken.py").write_text(BROKEN)
    plain = {"disable_ssl": True, "disable_tls": True, "retry_limit": 0, "timeout": 5}
    connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": mail.port, "extra": plain}
    return {
        **airflow_env,
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW_CONN_SMTP_DEFAULT": json.dumps(connection),
        "RECOMMENDER_NOTIFY__WEBHOOK_URL": f"http://127.0.0.1:{hook.port}/{TOKEN}",
        "RECOMMENDER_NOTIFY__EMAIL_TO": "ops@example.org",
        "RECOMMENDER_NOTIFY__EMAIL_FROM": "night@example.org",
        "RECOMMENDER_NOTIFY__SUCCESS": "true",
        "RECOMMENDER_NOTIFY__RUNBOOK_URL": RUNBOOK,
    }


@pytest.fixture(scope="module", autouse=True)
def first_run(airflow: Airflow, live_database: Database, home: Path) -> str:
    """A night that is live."""
    sample_ratings(120, 30, seed=1).to_csv(home / "sample.csv", index=False)
    import_ratings(live_database, home / "sample.csv", Columns(), now=datetime.now(UTC), scale=(1, 5))
    run_id = airflow.trigger({"settings": QUICK})
    airflow.call("PATCH", f"dags/{DAG}", {"is_paused": False})
    assert airflow.finish(run_id) == "success", airflow.states(run_id)
    return run_id


def test_a_night_that_ended_well_is_told_in_a_line(first_run: str, hook: HookSink, mail: MailSink) -> None:
    wait_until(lambda: len(mail.messages) == 1, 60, "the message")
    (text,) = hook.texts
    assert f"Run {first_run} ended well" in text
    assert "publication 1 of run" in text
    assert mail.messages[0]["Subject"] == f"{DAG} ended well"
    hook.texts.clear()
    mail.messages.clear()


def test_tensorflow_says_nothing_in_the_log(airflow: Airflow, first_run: str) -> None:
    for task in ("train", "evaluate", "refit"):
        url = f"/api/v2/dags/{DAG}/dagRuns/{first_run}/taskInstances/{task}/logs/1"
        content = airflow.client.get(url, headers={"Accept": "application/json"}).json()["content"]
        told = [event for event in content if not event["event"].startswith("::")]
        assert any("stage finished" in event["event"] for event in told)
        assert [event for event in told if event.get("level") in ("error", "warning", "critical")] == []


@pytest.mark.parametrize(
    ("trouble", "task", "shard", "state", "error"),
    [
        # From the last task to the first: a task whose predecessor has failed does not run.
        (damaged_plan, "score", 1, "failed", "ArtifactBroken"),
        (no_room, "clean", -1, "up_for_retry", "StorageFailed"),
        (database_down, "extract", -1, "up_for_retry", "DatabaseAway"),
        (bad_data, "extract", -1, "failed", "SourceBroken"),
    ],
)
def test_the_last_lines_of_the_log_say_what_to_do(
    airflow: Airflow, first_run: str, live_database: Database, home: Path, hook: HookSink, trouble: Any, task: str,
    shard: int, state: str, error: str,
) -> None:  # fmt: skip
    hook.texts.clear()
    only = [task, shard] if shard >= 0 else task
    body = {"dry_run": False, "dag_run_id": first_run, "task_ids": [only], "only_failed": False}
    with trouble(live_database, home / "runs" / folder_of(first_run)):
        airflow.call("POST", f"dags/{DAG}/clearTaskInstances", body)
        wait_until(lambda: airflow.states(first_run)[task] >= {state}, 120, f"{task} to be {state}")
        attempt = try_of(airflow, first_run, task, shard)

        def lines() -> list[str]:
            return log_lines(airflow, first_run, task, shard=shard, attempt=attempt)

        # The state is known before the last line is written.
        wait_until(lambda: any(line.startswith("LOG ") for line in lines()), 120, "the last line")
        told = last_block(lines())
    assert told["FAILED"].startswith(f"{task} (shard 1) of" if shard >= 0 else f"{task} of")
    assert told["WHY"].startswith(f"{error}: ")
    assert told["DO"].startswith("Nothing yet: Airflow tries again") == (state == "up_for_retry")
    assert ("cannot be read" in told["WEBSITE"]) == (error == "DatabaseAway")
    assert told["RUNBOOK"] == f"{RUNBOOK}#{error.lower()}"
    assert len(hook.texts) == (state == "failed"), "nobody is told of what is tried again"
    if state == "up_for_retry":
        airflow.call("PATCH", f"dags/{DAG}/dagRuns/{first_run}", {"state": "failed"})
    # What is cleared while the scheduler is about to end the run would never start.
    airflow.finish(first_run)


@pytest.fixture(scope="module")
def unanswered(airflow: Airflow, live_database: Database, home: Path, first_run: str) -> str:
    """A night that the gate has blocked and that waited too short a time for an answer."""
    file = home / "recommender.toml"  # where Airflow's services run: not a setting of this run, which can ask again
    file.write_text("[gate]\nanswer_hours = 0.002\n", "utf-8")
    before = status(live_database)
    run_id = airflow.trigger({"settings": BLOCKED, "when_blocked": "ask"})
    assert airflow.finish(run_id) == "failed"
    file.unlink()
    assert status(live_database) == before
    return run_id


def test_nobody_answers_and_the_website_keeps_its_lists(airflow: Airflow, unanswered: str) -> None:
    attempt = try_of(airflow, unanswered, "approve")
    told = last_block(log_lines(airflow, unanswered, "approve", attempt=attempt))
    assert "Nobody answered within 0.002 hours" in told["WHY"]
    assert "The website keeps the active publication" in told["DO"]


def test_asked_rejected_then_asked_again_and_approved(
    airflow: Airflow, live_database: Database, hook: HookSink, mail: MailSink, home: Path, unanswered: str
) -> None:
    hook.texts.clear()
    mail.messages.clear()
    before, run_id = status(live_database), unanswered
    airflow.clear_failed(run_id)
    wait_for_question(airflow, home, run_id, 3)  # heard of: the question, that nobody answered, the question again
    asked = answer(airflow, run_id, "Reject", "the holdout looks right")
    assert run_id in asked["subject"]
    for expected in ("above the bound gate.max_rmse 0.1", "challenger", "global_mean"):
        assert expected in asked["body"]
    assert asked["params"]["reason"]["schema"]["minLength"] == 1
    assert airflow.finish(run_id) == "failed"
    states = airflow.states(run_id)
    assert (states["gate"], states["approve"], states["publish"]) == ({"success"}, {"failed"}, {"upstream_failed"})
    told = last_block(log_lines(airflow, run_id, "approve", attempt=try_of(airflow, run_id, "approve")))
    assert "Anonymous rejected it: the holdout looks right." in told["WHY"]
    assert f"publication {before['publication_id']} of run" in told["WEBSITE"]
    assert told["RUNBOOK"] == f"{RUNBOOK}#gateblocked"
    assert status(live_database) == before
    assert len(hook.texts) == len(mail.messages) == 2, "one notice for the question, one for the failure"
    assert mail.messages[0]["Subject"] == f"{DAG}: the gate has blocked tonight's model; publish it all the same?"
    assert mail.messages[1]["Subject"] == f"{DAG}: approve failed (GateBlocked)"
    assert "Anonymous rejected it" in hook.texts[1]
    hook.texts.clear()
    mail.messages.clear()

    airflow.clear_failed(run_id)
    wait_for_question(airflow, home, run_id, 5)  # the rejection, and the question again
    answer(airflow, run_id, "Approve", "the fair's odd day")
    assert airflow.finish(run_id) == "success"
    newest = publications(live_database)[0]
    assert (newest["run_id"], newest["is_active"]) == (run_id, True)
    assert (newest["override_by"], newest["override_reason"]) == ("Anonymous", "the fair's odd day")
    assert abs(datetime.now(UTC) - newest["override_at"]).total_seconds() < 120


def test_a_native_crash_and_a_defect_end_at_once_and_say_so(airflow: Airflow, hook: HookSink) -> None:
    hook.texts.clear()
    airflow.call("PATCH", "dags/broken", {"is_paused": False})
    run_id = airflow.call("POST", "dags/broken/dagRuns", {"logical_date": None})["dag_run_id"]
    state = f"dags/broken/dagRuns/{run_id}"
    wait_until(lambda: airflow.call("GET", state)["state"] == "failed", 120, "the broken run to end")
    crash = last_block(log_lines(airflow, run_id, "crashes", dag="broken"))
    assert "crashed in native code (SIGSEGV)" in crash["WHY"]
    assert crash["RUNBOOK"] == f"{RUNBOOK}#processdied"
    lines = log_lines(airflow, run_id, "defect", dag="broken")
    defect = last_block(lines)
    assert "KeyError: 'no such key'" in defect["WHY"]
    assert "defect of the job" in defect["DO"]
    assert len(hook.texts) == 2
    assert TOKEN not in "".join(lines)
