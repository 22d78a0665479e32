"""What the database tells the report: what is live, the nights before, and what changed since the last lists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from recommender_job.config import Config
from recommender_job.errors import DatabaseAway, NotPublished, RecommenderError
from recommender_job.publishing.publications import status
from recommender_job.ratings.profile import accepted_nights
from recommender_job.reporting.changes import changes_since_before
from recommender_job.reporting.nights import nights
from recommender_job.reporting.progress import Progress
from recommender_job.reporting.verdict import Live
from recommender_job.runs import Run
from recommender_job.storage.database import Database

Part = Literal["live", "history", "accepted", "changes"]


@dataclass(frozen=True)
class Remembered:
    """What the database tells of this night and those before.

    Args:
        live: What the website shows.
        history: Rows of earlier nights, the latest first, without this one.
        accepted: `distribution` of the ratings of the last night that was accepted before; None: there is none.
        changes: As `changes_since_before` tells them.
        missing: Of these, what could not be read.
        trouble: Why, of the first of them.
    """

    live: Live = None
    history: list[dict[str, Any]] = field(default_factory=list)
    accepted: dict[str, Any] | None = None
    changes: dict[str, Any] | None = None
    missing: list[Part] = field(default_factory=list)
    trouble: RecommenderError | None = None


def remember(config: Config, run: Run, progress: Progress) -> Remembered:
    """Asks the database; where it cannot answer, the rest of the report is made all the same.

    Args:
        config: Settings.
        run: The night.
        progress: How far it has come.
    """
    ask: dict[Part, Callable[[Database], Any]] = {
        "live": _live,
        "history": lambda database: _history(config, run, database),
        "accepted": lambda database: _accepted(run, database),
        "changes": lambda database: _changes(config, progress, database),
    }
    told: dict[str, Any] = {}
    missing: list[Part] = []
    trouble: RecommenderError | None = None
    for part, answer in ask.items():
        if isinstance(trouble, DatabaseAway):
            missing.append(part)  # one more question would only wait for it once more
            continue
        try:
            told[part] = answer(Database.of(config))
        except RecommenderError as error:
            missing.append(part)
            trouble = trouble or error
            if part == "live":
                told[part] = error.cause
    return Remembered(**told, missing=missing, trouble=trouble)


def _live(database: Database) -> dict[str, Any] | None:
    try:
        return status(database)
    except NotPublished:
        return None


def _history(config: Config, run: Run, database: Database) -> list[dict[str, Any]]:
    earlier = nights(database, config.report.nights, through=run.cutoff)
    return [night for night in earlier if night["run_id"] != run.run_id][: config.report.nights - 1]


def _accepted(run: Run, database: Database) -> dict[str, Any] | None:
    accepted = accepted_nights(database, run, 1)
    return accepted[0].figures["distribution"] if accepted else None


def _changes(config: Config, progress: Progress, database: Database) -> dict[str, Any] | None:
    if progress.stopped_at is not None:
        return None
    published = progress.stages["publish"]
    return changes_since_before(
        database, published["publication_id"], config.report.users, before=published.get("live_before")
    )
