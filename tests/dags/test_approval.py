"""Who is asked when the gate blocks, and what the task makes of an answer; Airflow's own part is tested live."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.providers.standard.operators import hitl
from airflow.sdk import DAG
from airflow.sdk.exceptions import TaskAwaitingInput
from airflow.sdk.execution_time.context import set_current_context

from recommender_job import nightly
from recommender_job.errors import GateBlocked
from recommender_job.evaluating.gate import verdict
from recommender_job.runs import Run
from recommender_job.storage import embedded
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database, plain_url
from tests.evaluating.judged import GATE, metrics
from tests.publishing.by_hand import publish
from tests.sinks import HookSink, MailSink, serving

FOLDER = Path(__file__).resolve().parents[2] / "dags"
RUN = Run("tonight", datetime(2024, 1, 1, tzinfo=UTC))
AT = datetime(2024, 1, 1, 4, tzinfo=UTC)


@pytest.fixture(scope="module")
def dag() -> DAG:
    bag = BundleDagBag(FOLDER / "nightly_recommendations.py", bundle_path=FOLDER)
    assert bag.import_errors == {}
    return bag.dags["nightly_recommendations"]


@pytest.fixture
def task(dag: DAG) -> Any:
    return dag.get_task("approve")


@pytest.fixture
def context(dag: DAG, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Of a task of a scheduled run; the form is empty."""
    monkeypatch.setenv("RECOMMENDER_HOME", str(tmp_path))
    found: Any = {
        "params": dag.params.dump(),
        "run_id": RUN.run_id,
        "dag_run": SimpleNamespace(run_after=RUN.cutoff, run_type="scheduled"),
        "task_instance": SimpleNamespace(id="ti"),
        "dag": dag,
    }
    found["ti"] = SimpleNamespace(
        dag_id="nightly_recommendations", task_id="approve", run_id=RUN.run_id, task=dag.get_task("approve"),
        log_url="https://airflow/log",
    )  # fmt: skip
    with set_current_context(found):
        yield found
    embedded.stop(tmp_path)  # a notice looks at what the website shows, and so starts the database of that home


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Of a run that the gate has blocked."""
    made = RunFolder(str(tmp_path / "runs"), RUN.folder)
    made.finish("gate", verdict(metrics(rmse=1.5), GATE))
    return made


@pytest.mark.parametrize(
    ("run_type", "form", "setting", "decided"),
    [
        ("scheduled", None, None, "ask"),
        ("manual", None, None, "stop"),
        ("backfill", None, None, "stop"),
        ("scheduled", "stop", None, "stop"),
        ("manual", "ask", None, "ask"),
        ("scheduled", None, "stop", "stop"),
        ("manual", None, "ask", "ask"),
        ("manual", "auto", "ask", "stop"),
    ],
)
def test_who_is_asked(
    task: Any, context: Any, monkeypatch: pytest.MonkeyPatch, run_type: str, form: str | None, setting: str | None,
    decided: str,
) -> None:  # fmt: skip
    context["dag_run"].run_type = run_type
    context["params"]["when_blocked"] = form
    if setting:
        monkeypatch.setenv("RECOMMENDER_GATE__WHEN_BLOCKED", setting)
    config, run = task.night()
    assert config.gate.when_blocked == decided
    assert run == RUN


def test_it_asks_with_the_figures_and_the_time_there_is(
    task: Any, context: Any, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECOMMENDER_GATE__ANSWER_HOURS", "2.5")
    opened: dict[str, Any] = {}
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **given: opened.update(given))  # would go to Airflow
    with pytest.raises(TaskAwaitingInput) as waits:
        task.execute.__wrapped__(task, context)
    assert waits.value.timeout == timedelta(hours=2.5)
    assert opened["options"] == ["Approve", "Reject"]
    assert opened["defaults"] == ["Reject"]
    assert "1.5000" in opened["body"]
    assert RUN.run_id in opened["subject"]
    assert opened["params"]["reason"]["schema"] == {"type": "string", "minLength": 1, "title": "Reason"}


def test_asking_once_more_takes_an_earlier_approval_back(
    task: Any, context: Any, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **given: None)
    task.execute_complete(context, event("Approve"))
    with pytest.raises(TaskAwaitingInput):
        task.execute.__wrapped__(task, context)
    assert nightly.approval.read(folder) is None, "also while nobody has answered yet"
    with pytest.raises(GateBlocked, match="ana rejected it"):
        task.execute_complete(context, event("Reject"))
    with pytest.raises(GateBlocked, match="Nobody has approved it"):
        nightly.approval.require_passed(folder)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[HookSink]:
    """The webhook that people are told by; Airflow itself keeps no question."""
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **given: None)
    with serving(HookSink()) as sink:
        monkeypatch.setenv("RECOMMENDER_NOTIFY__WEBHOOK_URL", f"http://127.0.0.1:{sink.port}/T0K3N")
        yield sink


def test_people_are_told_that_a_question_waits(
    task: Any, context: Any, folder: RunFolder, hook: HookSink, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(database, {1: (5,)}, run_id="last", data_through=datetime.now(UTC))
    monkeypatch.setenv("RECOMMENDER_DATABASE_URL", plain_url(database.url))
    monkeypatch.setenv("RECOMMENDER_GATE__ANSWER_HOURS", "2.5")
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://ops.example/airflow/")
    before = datetime.now(UTC)
    with serving(MailSink()) as mail:
        options = "disable_ssl=true&disable_tls=true&retry_limit=0&timeout=5"
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", f"smtp://127.0.0.1:{mail.port}/?{options}")
        monkeypatch.setenv("RECOMMENDER_NOTIFY__EMAIL_TO", "ana@x.org")
        monkeypatch.setenv("RECOMMENDER_NOTIFY__EMAIL_FROM", "night@x.org")
        with pytest.raises(TaskAwaitingInput):
            task.execute.__wrapped__(task, context)
    (text,) = hook.texts
    lines = text.splitlines()
    assert lines[0] == "nightly_recommendations: the gate has blocked tonight's model; publish it all the same?"
    assert [line[:9].strip() for line in lines[1:]] == ["ASKED", "WHY", "WEBSITE", "UNTIL", "DO", "RUNBOOK"]
    assert "run tonight" in lines[1]
    assert "1.5000" in lines[2]
    assert lines[3].startswith("WEBSITE  publication 1 of run last")
    until = datetime.strptime(lines[4][9:25], "%Y-%m-%d %H:%M").replace(tzinfo=UTC) - timedelta(hours=2.5)
    assert before - timedelta(minutes=1) <= until <= datetime.now(UTC)
    page = "https://ops.example/airflow/dags/nightly_recommendations/runs/tonight/tasks/approve/required_actions"
    assert lines[5].endswith(page)
    assert lines[6].endswith("/airflow/recommendations/runbook#answering-when-the-gate-has-blocked")
    assert [message["Subject"] for message in mail.messages] == [lines[0]]


def test_a_notice_that_cannot_be_sent_keeps_nobody_from_being_asked(
    task: Any, context: Any, folder: RunFolder, hook: HookSink
) -> None:
    hook.status = 500
    context["ti"].task = None  # nor does a defect of the notice
    for _ in range(2):
        with pytest.raises(TaskAwaitingInput):
            task.execute.__wrapped__(task, context)
        context["ti"].task = task
    assert len(hook.texts) == 1


def test_a_model_that_passed_is_not_asked_about(task: Any, context: Any, folder: RunFolder, hook: HookSink) -> None:
    folder.finish("gate", {"passed": True})
    assert task.execute.__wrapped__(task, context) is None
    assert hook.texts == []


def event(option: str, reason: Any = "odd day", **more: Any) -> dict[str, Any]:
    user = {"id": "7", "name": "ana"}
    found = {"chosen_options": [option], "params_input": {"reason": reason}, "responded_at": AT}
    return {**found, "responded_by_user": user, "timedout": False, **more}


def test_an_approval_is_kept(task: Any, context: Any, folder: RunFolder) -> None:
    told = task.execute_complete(context, event("Approve"))
    assert (told["by"], told["at"], told["reason"]) == ("ana", AT.isoformat(), "odd day")
    assert nightly.approval.read(folder)


def test_an_account_without_a_name_is_kept_by_its_id(task: Any, context: Any, folder: RunFolder) -> None:
    assert task.execute_complete(context, event("Approve", responded_by_user={"id": "7", "name": ""}))["by"] == "7"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (event("Reject"), "ana rejected it: odd day."),
        (event("Reject", None), "ana rejected it."),
        (event("Reject", None, responded_by_user=None, timedout=True), "Nobody answered within 6 hours"),
        (event("Approve", responded_by_user=None, timedout=True), "Nobody answered within 6 hours"),
        ({"error": "late", "error_type": "timeout"}, "Nobody answered within 6 hours"),
        (event("Approve", " "), "without saying why"),
        (event("Approve", params_input={}), "without saying why"),
        (event("Approve", params_input=None), "without saying why"),
    ],
)
def test_everything_else_ends_the_run_as_blocked(
    task: Any, context: Any, folder: RunFolder, answer: dict[str, Any], said: str
) -> None:
    with pytest.raises(GateBlocked, match=said):
        task.execute_complete(context, answer)
    assert nightly.approval.read(folder) is None
