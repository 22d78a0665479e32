"""What people read when a task has failed: what failed, why, what the website shows, what to do, where to read on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from recommender_job.config import Config
from recommender_job.errors import RUNBOOK, NotPublished, RecommenderError
from recommender_job.publishing.publications import status
from recommender_job.reporting.failed_stages import told
from recommender_job.reporting.progress import in_a_line
from recommender_job.reporting.verdict import moment
from recommender_job.storage.database import Database


@dataclass(frozen=True)
class Where:
    """The task that failed.

    Args:
        dag: Its DAG.
        task: Its name, with the shard where there are several.
        run_id: The run.
        attempt: Which try it was, from 1.
        again: Whether Airflow tries again by itself.
    """

    dag: str
    task: str
    run_id: str
    attempt: int
    again: bool = False


@dataclass(frozen=True)
class Links:
    """Where to read on.

    Args:
        runbook: Address of the runbook; its sections are anchors, the names of errors in lower case.
        log: Address of the task's log; None leaves the line out.
    """

    runbook: str = RUNBOOK
    log: str | None = None


def shown_now(config: Config) -> dict[str, Any] | RecommenderError:
    """What the website shows, read now: the row of `recommendation_status`, or why it cannot be read."""
    try:
        return status(Database.of(config))
    except RecommenderError as error:
        return error


def website_line(shown: dict[str, Any] | RecommenderError, now: datetime) -> str:
    """What the website shows, in a sentence.

    Args:
        shown: As `shown_now` returns it.
        now: The time, to tell how old that is.
    """
    if isinstance(shown, NotPublished):
        return "nothing yet: no night has ever been published."
    if isinstance(shown, RecommenderError):
        return f"cannot be read: {type(shown).__name__}: {in_a_line(shown.cause)}"
    hours = (now - shown["data_through"]).total_seconds() / 3600
    state = "STALE since" if shown["expires_at"] <= now else "fresh until"
    return (
        f"publication {shown['publication_id']} of run {shown['run_id']}, ratings through"
        f" {moment(shown['data_through'])} ({hours:.0f} hours old), {state} {moment(shown['expires_at'])}."
    )


def subject(error: BaseException | str | None, where: Where) -> str:
    """The failure in a line, as for a message's subject."""
    kind = type(error).__name__ if isinstance(error, BaseException) else "ended without an error"
    return f"{where.dag}: {where.task} failed ({kind})"


def failure_text(
    error: BaseException | str | None,
    where: Where,
    shown: dict[str, Any] | RecommenderError,
    links: Links,
    now: datetime,
    config: Config | None = None,
) -> str:
    """The text that ends a failed task's log; notices send the same.

    Args:
        error: What was raised; None or a text where only Airflow knows that the task ended.
        where: The task.
        shown: What the website shows, as `shown_now` returns it.
        links: Where to read on.
        now: The time.
        config: Its secrets are hidden; None: it could not be read.

    Returns:
        Lines, each beginning with its label; tables that an error holds are indented.
    """
    why, action, section = _explained(error, config)
    if where.again:
        action = f"Nothing yet: Airflow tries again by itself. If it fails for good: {action}"
    rows = [
        ("FAILED", f"{where.task} of {where.dag}, run {where.run_id}, try {where.attempt}"),
        ("WHY", why),
        ("WEBSITE", website_line(shown, now)),
        ("DO", action),
        ("RUNBOOK", f"{links.runbook}#{section}"),
    ]
    if links.log:
        rows.append(("LOG", links.log))
    return "\n".join(line for label, text in rows for line in _labelled(label, text))


def success_line(run_id: str, shown: dict[str, Any] | RecommenderError, now: datetime) -> str:
    """A night that ended well, in a line."""
    return f"Run {run_id} ended well. The website shows: {website_line(shown, now)}"


def _explained(error: BaseException | str | None, config: Config | None) -> tuple[str, str, str]:
    if isinstance(error, BaseException):
        found = told(config, error)
        return f"{found['class']}: {found['cause']}", found["action"], found["runbook"].partition("#")[2]
    return (
        f"The task ended without telling why{f' ({error})' if error else ''}: its worker was killed or lost.",
        "Look at the machine's memory, then clear the task.",
        "processdied",
    )


def _labelled(label: str, text: str) -> list[str]:
    first, *more = text.strip().splitlines() or [""]
    return [f"{label:<9}{first}", *(f"{'':<9}{line}" for line in more)]
