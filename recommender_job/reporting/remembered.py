"""What the database tells the report: what is live, the nights before, and what changed since the last lists."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from recommender_job.config import Config
from recommender_job.errors import NotPublished, RecommenderError
from recommender_job.publishing.publications import status
from recommender_job.ratings.profile import accepted_nights
from recommender_job.reporting.changes import changes_since_before
from recommender_job.reporting.nights import nights
from recommender_job.reporting.progress import Progress
from recommender_job.reporting.verdict import Live
from recommender_job.runs import Run
from recommender_job.storage.database import Database


@dataclass
class Remembered:
    """What the database tells of this night and those before.

    Args:
        live: What the website shows.
        history: Rows of earlier nights, the latest first, without this one.
        accepted: `distribution` of the ratings of the last night that was accepted before; None: there is none.
        changes: As `changes_since_before` tells them.
        trouble: Why the rest is missing.
    """

    live: Live = None
    history: list[dict[str, Any]] = field(default_factory=list)
    accepted: dict[str, Any] | None = None
    changes: dict[str, Any] | None = None
    trouble: RecommenderError | None = None


def remember(config: Config, run: Run, progress: Progress) -> Remembered:
    """Asks the database; where it cannot answer, the rest of the report is made all the same.

    Args:
        config: Settings.
        run: The night.
        progress: How far it has come.
    """
    found = Remembered()
    try:
        database = Database.of(config)
        try:
            found.live = status(database)
        except NotPublished:
            found.live = None
        earlier = nights(database, config.report.nights, through=run.cutoff)
        found.history = [night for night in earlier if night["run_id"] != run.run_id][: config.report.nights - 1]
        accepted = accepted_nights(database, run, 1)
        found.accepted = accepted[0].figures["distribution"] if accepted else None
        publication_id = progress.stages.get("publish", {}).get("publication_id")
        if publication_id is not None and progress.stopped_at is None:
            found.changes = changes_since_before(database, publication_id, config.report.users)
    except RecommenderError as error:
        found.trouble = error
        if found.live is None:
            found.live = error.cause
    return found
