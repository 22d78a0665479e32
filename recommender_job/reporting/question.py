"""What people are told when the gate has blocked a night and waits for a person: what is asked, why, and until when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, repeat
from typing import Any

from recommender_job.errors import RecommenderError
from recommender_job.reporting.failure import website_line
from recommender_job.reporting.verdict import moment

#: The runbook's section on answering.
SECTION = "answering-when-the-gate-has-blocked"


@dataclass(frozen=True)
class Question:
    """A question that waits.

    Args:
        dag: The DAG whose night was blocked.
        run_id: The run.
        reasons: Why the gate has blocked it, a sentence each.
        wait: How long there is time to answer.
        page: Address of the page that takes the answer.
        runbook: Address of the runbook.
    """

    dag: str
    run_id: str
    reasons: Sequence[str]
    wait: timedelta
    page: str
    runbook: str


def question_subject(question: Question) -> str:
    """The question in a line, as for a message's subject."""
    return f"{question.dag}: the gate has blocked tonight's model; publish it all the same?"


def question_text(question: Question, shown: dict[str, Any] | RecommenderError, now: datetime) -> str:
    """The message.

    Args:
        question: What waits.
        shown: What the website shows, as `recommender_job.reporting.failure.shown_now` returns it.
        now: The time at which it begins to wait.

    Returns:
        Lines, each beginning with its label; further reasons are indented.
    """
    rows = [
        ("ASKED", f"The gate has blocked the model of run {question.run_id}. Publish it all the same?"),
        *zip(chain(["WHY"], repeat("")), question.reasons, strict=False),
        ("WEBSITE", website_line(shown, now)),
        (
            "UNTIL",
            f"{moment(now + question.wait)}; no answer by then counts as Reject: the website keeps what it shows.",
        ),
        ("DO", f"Look at the reasons and the figures, and approve or reject: {question.page}"),
        ("RUNBOOK", f"{question.runbook}#{SECTION}"),
    ]
    return "\n".join(f"{label:<9}{' '.join(text.split())}" for label, text in rows)
