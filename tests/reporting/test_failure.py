"""The text that ends a failed task's log, worked out by hand, and what it reads from a real database."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from recommender_job.config import Config, load_config
from recommender_job.errors import DatabaseAway, GateBlocked, NotPublished, RecommenderError
from recommender_job.reporting.failure import (
    Links,
    Where,
    failure_text,
    shown_now,
    subject,
    success_line,
    website_line,
)
from recommender_job.storage.database import Database
from tests.publishing.by_hand import publish

THROUGH = datetime(2024, 1, 1, 7, tzinfo=UTC)
SHOWN = {
    "publication_id": 41, "run_id": "last", "data_through": THROUGH, "expires_at": THROUGH + timedelta(hours=36),
}  # fmt: skip
NOW = THROUGH + timedelta(hours=25, minutes=20)
WHERE = Where("nightly", "score (shard 1)", "tonight", 2)
LINKS = Links("https://ops/runbook", "https://airflow/log")


def test_the_whole_text() -> None:
    error = GateBlocked("Too bad.\n  challenger   1.2\n  champion     0.9\n", action="Look.", figures={})
    assert failure_text(error, WHERE, SHOWN, LINKS, NOW).splitlines() == [
        "FAILED   score (shard 1) of nightly, run tonight, try 2",
        "WHY      GateBlocked: Too bad.",
        "           challenger   1.2",
        "           champion     0.9",
        "WEBSITE  publication 41 of run last, ratings through 2024-01-01 07:00 UTC (25 hours old), fresh until"
        " 2024-01-02 19:00 UTC.",
        "DO       Look.",
        "RUNBOOK  https://ops/runbook#gateblocked",
        "LOG      https://airflow/log",
    ]


def test_while_airflow_tries_again_nothing_need_be_done() -> None:
    again = Where("nightly", "publish", "tonight", 1, again=True)
    text = failure_text(DatabaseAway("It is away.", action="Start it."), again, SHOWN, Links(), NOW)
    assert "DO       Nothing yet: Airflow tries again by itself. If it fails for good: Start it." in text
    assert text.endswith("RUNBOOK  docs/runbook.md#databaseaway")


def test_what_nobody_expected_is_a_defect() -> None:
    text = failure_text(KeyError("gone"), WHERE, SHOWN, LINKS, NOW)
    assert "WHY      KeyError: 'gone'" in text
    assert "defect of the job" in text
    assert "#defect" in text
    assert "Traceback" not in text


def test_of_a_defect_neither_rows_nor_secrets_are_told() -> None:
    config = load_config({"database_url": "postgresql://job:pw-7@h/db"})
    error = ValueError("cannot reach postgresql://job:pw-7@h/db\nuser 42 row")
    text = failure_text(error, WHERE, SHOWN, LINKS, NOW, config)
    assert "WHY      ValueError: cannot reach **********\nWEBSITE" in text
    assert "42" not in failure_text(error, WHERE, SHOWN, LINKS, NOW)
    assert "x" * 501 not in failure_text(ValueError("x" * 999), WHERE, SHOWN, LINKS, NOW)
    ours = failure_text(DatabaseAway("no pw-7\nat all", action="wait"), WHERE, SHOWN, LINKS, NOW, config)
    assert "WHY      DatabaseAway: no **********\n         at all\n" in ours


@pytest.mark.parametrize("error", [None, "killed externally"])
def test_an_end_without_an_error_is_told_too(error: str | None) -> None:
    text = failure_text(error, WHERE, SHOWN, LINKS, NOW)
    assert "without telling why" in text
    assert (error or "worker") in text
    assert "#processdied" in text


def test_the_subject_is_a_line() -> None:
    assert subject(DatabaseAway("a\nb", action="c"), WHERE) == "nightly: score (shard 1) failed (DatabaseAway)"
    assert subject(None, WHERE) == "nightly: score (shard 1) failed (ended without an error)"


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (NotPublished("No.", action="x"), "nothing yet: no night has ever been published."),
        (DatabaseAway("No\nroute.", action="x"), "cannot be read: DatabaseAway: No route."),
        ({**SHOWN, "expires_at": NOW}, "STALE since 2024-01-02 08:20 UTC."),
    ],
)
def test_what_the_website_shows(shown: dict[str, object] | RecommenderError, said: str) -> None:
    assert website_line(shown, NOW).endswith(said)


def test_a_good_end_is_a_line() -> None:
    line = success_line("tonight", SHOWN, NOW)
    assert line.startswith("Run tonight ended well. The website shows: publication 41 of run last")
    assert "\n" not in line


def test_it_is_read_from_the_database(config: Config, database: Database) -> None:
    assert isinstance(shown_now(config), NotPublished)
    publish(database, {1: (5,)}, run_id="one", data_through=THROUGH)
    found = shown_now(config)
    assert not isinstance(found, RecommenderError)
    assert website_line(found, NOW).startswith("publication 1 of run one, ratings through 2024-01-01 07:00 UTC")


def test_a_database_that_is_away_is_said(make_config: Callable[..., Config]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    away = shown_now(make_config({"database_url": f"postgresql://job:secret@127.0.0.1:{port}/shop"}))
    assert isinstance(away, DatabaseAway)
    assert "secret" not in website_line(away, NOW)
