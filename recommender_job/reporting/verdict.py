"""What became of a night, in the words that somebody tired needs: what is live, did it go live, why not, what next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from recommender_job.errors import RUNBOOK
from recommender_job.reporting.progress import Progress
from recommender_job.runs import Run

Tone = Literal["good", "note", "bad"]
#: What the website shows: the row of `recommendation_status`; None: nothing yet; a text: why it could not be read.
Live = dict[str, Any] | str | None

TRYING = f"{RUNBOOK}#trying-something-without-showing-it"
RERUNNING = f"{RUNBOOK}#rerunning"
BLOCKED = f"{RUNBOOK}#gateblocked"
FRESHNESS = f"{RUNBOOK}#checking-freshness"


@dataclass(frozen=True)
class Verdict:
    """The top of the report.

    Args:
        tone: good: nothing to do; note: as asked for, or worth a look; bad: blocked or failed.
        word: One or two words.
        sentence: What became of the night and what the website shows.
        reasons: Why, a line each; empty where it went live.
        action: What to do next.
        runbook: Section of the runbook; None where there is nothing to do.
    """

    tone: Tone
    word: str
    sentence: str
    reasons: tuple[str, ...]
    action: str
    runbook: str | None


def verdict_of(run: Run, progress: Progress, live: Live) -> Verdict:
    """The verdict on a night.

    Args:
        run: The night.
        progress: How far it has come.
        live: What the website shows now.
    """
    outcome = progress.outcome
    if outcome in ("published", "dry run"):
        return _went_through(run, progress, live)
    if outcome == "blocked":
        return Verdict(
            "bad",
            "Blocked",
            f"The gate stopped tonight's model; {_keeps(live)}",
            progress.reasons,
            "Look at the reasons and the figures below. If no night goes live before the lists expire, the status says"
            " stale and the hourly check fails; the runbook says how to let this model through.",
            BLOCKED,
        )
    stage = progress.stopped_at
    if not progress.failures:
        return Verdict(
            "bad",
            "Unfinished",
            f"The night has not got past {stage}, and left no error: it is still running or was killed; {_keeps(live)}",
            (),
            f"Look whether the run is still at work; if not, clear {stage} with its downstream tasks.",
            RERUNNING,
        )
    first = next(iter(progress.failures.values()))
    kind = "a defect of the job" if first["defect"] else first["class"]
    return Verdict(
        "bad",
        "Failed",
        f"The night failed at {stage} ({kind}); {_keeps(live)}",
        progress.reasons,
        first["action"],
        first["runbook"],
    )


def _went_through(run: Run, progress: Progress, live: Live) -> Verdict:
    number = progress.stages["publish"]["publication_id"]
    if progress.outcome == "dry run":
        return Verdict(
            "note",
            "Dry run",
            f"Publication {number} was built and checked, and not shown, as asked for; {_keeps(live)}",
            (),
            f"Compare it (recommender-job publications diff) and show it, if it is wanted"
            f" (recommender-job publications activate {number}).",
            TRYING,
        )
    if isinstance(live, dict) and live["publication_id"] != number:
        return Verdict(
            "note",
            "Published",
            f"Tonight's lists went live as publication {number}, and have been replaced since; {_shows(live)}.",
            (),
            "Nothing, if that was meant; recommender-job publications list shows what is kept.",
            f"{RUNBOOK}#rolling-back",
        )
    how = ", although the gate had blocked them" if progress.override else ""
    if isinstance(live, dict) and live["is_stale"]:
        return Verdict(
            "note",
            "Published",
            f"Tonight's lists went live as publication {number}{how}; they are stale by now: they know ratings up to"
            f" {moment(run.cutoff)} only.",
            (),
            "Find out why no later night went live.",
            FRESHNESS,
        )
    unread = f" ({_shows(live)})" if isinstance(live, str) else ""
    return Verdict(
        "note" if progress.override else "good",
        "Published",
        f"Tonight's lists are live as publication {number}, with ratings up to {moment(run.cutoff)}{how}.{unread}",
        (),
        "Nothing." if not progress.override else "Watch the next nights: the model that is live had been blocked.",
        BLOCKED if progress.override else None,
    )


def _keeps(live: Live) -> str:
    if not isinstance(live, dict):
        return f"{_shows(live)}."
    fresh = "STALE since" if live["is_stale"] else "fresh until"
    return (
        f"the website keeps showing publication {live['publication_id']}, complete, with ratings up to"
        f" {moment(live['data_through'])} ({fresh} {moment(live['expires_at'])})."
    )


def _shows(live: Live) -> str:
    if isinstance(live, dict):
        return f"the website shows publication {live['publication_id']} of run {live['run_id']}"
    if live is None:
        return "the website shows nothing yet, as no night has ever gone live"
    return f"what the website shows could not be read: {live.rstrip('.')}"


def moment(value: datetime) -> str:
    """A moment as people read it, to the minute, in UTC."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
