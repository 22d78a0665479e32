"""What a task's end says and to whom: the log's last lines, one notice, and never a second error."""

from __future__ import annotations

import html
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.sdk.exceptions import AirflowTaskTimeout

from recommender_job.errors import GateBlocked
from recommender_job.storage.database import Database, plain_url
from tests.publishing.by_hand import publish
from tests.sinks import HookSink, MailSink, serving

FOLDER = Path(__file__).resolve().parents[2] / "dags"
BLOCKED = GateBlocked("Too bad.\n  table 1", action="Look.", figures={})
SECRET = "T0K3N"


@pytest.fixture
def said() -> Iterator[list[Any]]:
    """What is logged, as Airflow's own logger gets it."""
    with structlog.testing.capture_logs() as entries:
        yield entries


def text_of(said: list[Any]) -> str:
    return "\n".join(entry["event"] for entry in said if "log_level" in entry)


@pytest.fixture
def hook() -> Iterator[HookSink]:
    with serving(HookSink()) as sink:
        yield sink


@pytest.fixture
def mail(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailSink]:
    with serving(MailSink()) as sink:
        query = "disable_ssl=true&disable_tls=true&retry_limit=0&timeout=5"
        monkeypatch.setenv("AIRFLOW_CONN_OPS_MAIL", f"smtp://127.0.0.1:{sink.port}/?{query}")
        monkeypatch.setenv("RECOMMENDER_NOTIFY__SMTP_CONNECTION", "ops_mail")
        yield sink


@pytest.fixture
def notices(database: Database, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Of the DAG, in a worker whose environment names the fresh database."""
    monkeypatch.setenv("RECOMMENDER_DATABASE_URL", plain_url(database.url))
    publish(database, {1: (5,)}, run_id="last", data_through=datetime.now(UTC))
    bag = BundleDagBag(FOLDER / "nightly_recommendations.py", bundle_path=FOLDER)
    task = bag.dags["nightly_recommendations"].get_task("announce")
    found = [*task.on_failure_callback, *task.on_retry_callback, *task.on_success_callback]
    return {notice.of: notice for notice in found if hasattr(notice, "of")}


def context(error: Any = BLOCKED, shard: int = -1, others: dict[str, str] | None = None) -> Any:
    ti = SimpleNamespace(
        dag_id="nightly", task_id="score", run_id="tonight", try_number=2, map_index=shard, log_url="https://airflow/log",
        task=SimpleNamespace(execution_timeout=timedelta(hours=4)),
        get_task_states=lambda dag_id, task_ids, run_ids: {run_ids[0]: others or {}},
    )  # fmt: skip
    return {"ti": ti, "exception": error, "dag": None}


def all_told(monkeypatch: pytest.MonkeyPatch, hook: HookSink) -> None:
    for name, value in {
        "WEBHOOK_URL": f"http://127.0.0.1:{hook.port}/{SECRET}",
        "EMAIL_TO": "a@x.org,b@x.org",
        "EMAIL_FROM": "night@x.org",
        "SUCCESS": "true",
    }.items():
        monkeypatch.setenv(f"RECOMMENDER_NOTIFY__{name}", value)


def test_a_failure_is_told_as_the_log_ends(
    notices: dict[str, Any], hook: HookSink, mail: MailSink, monkeypatch: pytest.MonkeyPatch,
    said: list[Any],
) -> None:  # fmt: skip
    all_told(monkeypatch, hook)
    notices["failure"](context())
    lines = [entry["event"] for entry in said if entry["log_level"] == "error"]
    assert [line[:9].strip() for line in lines] == ["FAILED", "WHY", "", "WEBSITE", "DO", "RUNBOOK", "LOG"]
    assert lines[0] == "FAILED   score of nightly, run tonight, try 2"
    assert lines[3].startswith("WEBSITE  publication 1 of run last")
    assert lines[5].endswith("/recommendations/runbook#gateblocked")
    assert lines[6] == "LOG      https://airflow/log"
    assert hook.texts == ["nightly: score failed (GateBlocked)\n" + "\n".join(lines)]
    (message,) = mail.messages
    assert (message["To"], message["From"]) == ("a@x.org, b@x.org", "night@x.org")
    assert message["Subject"] == "nightly: score failed (GateBlocked)"
    body = message.get_body()
    assert body is not None
    assert html.escape("\n".join(lines)) in body.get_content()


def test_a_retry_is_told_in_the_log_only(
    notices: dict[str, Any], hook: HookSink, mail: MailSink, monkeypatch: pytest.MonkeyPatch,
    said: list[Any],
) -> None:  # fmt: skip
    all_told(monkeypatch, hook)
    notices["retry"](context())
    assert "Airflow tries again by itself" in text_of(said)
    assert hook.texts == mail.messages == []


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ({}, True),
        ({"score_0": "running"}, True),
        ({"score_0": "running", "score_1": "failed"}, True),
        ({"score_0": "failed", "score_1": "running"}, False),
    ],
)
def test_shards_that_fail_one_after_the_other_are_told_once(
    notices: dict[str, Any], hook: HookSink, monkeypatch: pytest.MonkeyPatch, said: list[Any],
    others: dict[str, str], told: bool,
) -> None:  # fmt: skip
    monkeypatch.setenv("RECOMMENDER_NOTIFY__WEBHOOK_URL", f"http://127.0.0.1:{hook.port}/")
    notices["failure"](context(shard=1, others=others))
    assert bool(hook.texts) == told
    assert "score (shard 1) of nightly" in text_of(said)


def test_a_shard_is_told_where_airflow_cannot_say_what_the_others_do(
    notices: dict[str, Any], hook: HookSink, monkeypatch: pytest.MonkeyPatch, said: list[Any]
) -> None:
    def away(**asked: Any) -> Any:
        raise RuntimeError("500: the database is away")

    monkeypatch.setenv("RECOMMENDER_NOTIFY__WEBHOOK_URL", f"http://127.0.0.1:{hook.port}/")
    shard = context(shard=1)
    shard["ti"].get_task_states = away
    notices["failure"](shard)
    assert len(hook.texts) == 1
    assert text_of(said).splitlines()[-1].startswith("LOG ")


def test_a_good_night_is_a_line_for_those_who_want_it(
    notices: dict[str, Any], hook: HookSink, mail: MailSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_told(monkeypatch, hook)
    notices["success"](context(None))
    (text,) = hook.texts
    assert text.startswith("nightly ended well\nRun tonight ended well. The website shows: publication 1 of run last")
    monkeypatch.setenv("RECOMMENDER_NOTIFY__SUCCESS", "false")
    notices["success"](context(None))
    assert len(hook.texts) == len(mail.messages) == 1


def test_a_notice_that_cannot_be_sent_is_a_line_above_the_others(
    notices: dict[str, Any], hook: HookSink, monkeypatch: pytest.MonkeyPatch, said: list[Any]
) -> None:
    all_told(monkeypatch, hook)
    monkeypatch.setenv("RECOMMENDER_NOTIFY__SMTP_CONNECTION", "no_such")
    hook.status = 500
    notices["failure"](context())
    lines = [entry["event"] for entry in said]
    assert lines[0] == "No notice by webhook: HTTPStatusError 500."
    assert lines[1].startswith("No notice by e-mail: Airflow")
    assert lines[-1].startswith("LOG ")
    assert SECRET not in text_of(said)


def test_settings_that_cannot_be_read_are_said_and_the_failure_too(
    notices: dict[str, Any], monkeypatch: pytest.MonkeyPatch, said: list[Any]
) -> None:
    monkeypatch.setenv("RECOMMENDER_NO_SUCH", "1")
    notices["failure"](context())
    assert "WHY      GateBlocked: Too bad." in text_of(said)
    assert "cannot be read: ConfigurationError: Environment variable RECOMMENDER_NO_SUCH" in text_of(said)


def test_nothing_that_goes_wrong_here_is_an_error(notices: dict[str, Any], said: list[Any]) -> None:
    notices["failure"]({"ti": None})
    assert "No notice and no summary of the failure: AttributeError." in text_of(said)


def test_a_time_limit_is_explained(notices: dict[str, Any], said: list[Any]) -> None:
    notices["failure"](context(AirflowTaskTimeout("Timeout, PID: 7")))
    assert "WHY      TookTooLong: It did not end within execution_timeout, 4:00:00." in text_of(said)
    assert "#tooktoolong" in text_of(said)
