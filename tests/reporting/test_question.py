"""What people are told of a question that waits, worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from recommender_job.errors import DatabaseAway
from recommender_job.reporting.question import SECTION, Question, question_subject, question_text
from tests.docs.pages import ROOT, anchors

NOW = datetime(2024, 1, 2, 7, 30, tzinfo=UTC)
SHOWN = {
    "publication_id": 41, "run_id": "last", "data_through": NOW - timedelta(hours=24, minutes=30),
    "expires_at": NOW + timedelta(hours=11, minutes=30),
}  # fmt: skip
ASKED = Question(
    "nightly", "tonight", ("RMSE 1.5000 lies above the bound.", "Two\n lines."), timedelta(hours=6),
    "https://airflow/answer", "https://ops/runbook",
)  # fmt: skip


def test_the_whole_text() -> None:
    assert question_subject(ASKED) == "nightly: the gate has blocked tonight's model; publish it all the same?"
    assert question_text(ASKED, SHOWN, NOW).splitlines() == [
        "ASKED    The gate has blocked the model of run tonight. Publish it all the same?",
        "WHY      RMSE 1.5000 lies above the bound.",
        "         Two lines.",
        "WEBSITE  publication 41 of run last, ratings through 2024-01-01 07:00 UTC (24 hours old), fresh until"
        " 2024-01-02 19:00 UTC.",
        "UNTIL    2024-01-02 13:30 UTC; no answer by then counts as Reject: the website keeps what it shows.",
        "DO       Look at the reasons and the figures, and approve or reject: https://airflow/answer",
        "RUNBOOK  https://ops/runbook#answering-when-the-gate-has-blocked",
    ]


def test_it_is_told_also_while_the_database_is_away() -> None:
    text = question_text(ASKED, DatabaseAway("It is away.", action="Start it."), NOW)
    assert "WEBSITE  cannot be read: DatabaseAway: It is away." in text
    assert "WHY      RMSE" in text


def test_the_runbook_has_that_section() -> None:
    assert SECTION in anchors(ROOT / "docs" / "runbook.md")
