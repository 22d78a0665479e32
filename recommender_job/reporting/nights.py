"""The table of nights: what became of each run, with the figures that charts of many nights need."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from recommender_job.storage.database import Database

Outcome = Literal["published", "dry run", "blocked", "failed"]


@dataclass(frozen=True)
class Night:
    """A row of `recommender.night`.

    Args:
        run_id: The run.
        cutoff: Ratings before this moment were seen; carries a zone.
        outcome: What became of it.
        reasons: Why it was blocked or failed, a line each; empty otherwise.
        rmse: On the holdout, in rating points; None where the night did not get so far.
        max_rmse: The bound that `rmse` was held to, likewise.
        publication_id: What was published or, on a dry run, built; it may have been pruned since.
        report: Path or URL of the run report; None where it could not be written.
        figures: JSON-able; NaN and infinities must not be in it.
    """

    run_id: str
    cutoff: datetime
    outcome: Outcome
    reasons: tuple[str, ...] = ()
    rmse: float | None = None
    max_rmse: float | None = None
    publication_id: int | None = None
    report: str | None = None
    figures: dict[str, Any] = field(default_factory=dict)


def record(database: Database, night: Night) -> None:
    """Keeps a night; the row of the same run, if there is one, is replaced.

    Raises:
        SchemaMissing: The table is not there yet.
        DatabaseAway: As anywhere.
    """
    with database.transaction() as transaction:
        transaction.run(
            "insert into recommender.night"
            " (run_id, cutoff, outcome, reasons, rmse, max_rmse, publication_id, report, figures)"
            " values (:run_id, :cutoff, :outcome, :reasons, :rmse, :max_rmse, :publication_id, :report,"
            " cast(:figures as jsonb)) on conflict (run_id) do update set cutoff = excluded.cutoff,"
            " outcome = excluded.outcome, reasons = excluded.reasons, rmse = excluded.rmse,"
            " max_rmse = excluded.max_rmse, publication_id = excluded.publication_id, report = excluded.report,"
            " figures = excluded.figures, reported_at = excluded.reported_at",
            run_id=night.run_id,
            cutoff=night.cutoff,
            outcome=night.outcome,
            reasons=list(night.reasons),
            rmse=night.rmse,
            max_rmse=night.max_rmse,
            publication_id=night.publication_id,
            report=night.report,
            figures=json.dumps(night.figures, allow_nan=False),
        )


def nights(database: Database, n: int, *, through: datetime | None = None) -> list[dict[str, Any]]:
    """The last nights.

    Args:
        database: Where they are kept.
        n: At most so many.
        through: Nights of a later cutoff are left out; None: none is.

    Returns:
        Every column of `recommender.night`, the latest cutoff first, of equal ones the one reported last.
    """
    with database.transaction() as transaction:
        return transaction.rows(
            "select run_id, cutoff, outcome, reasons, rmse, max_rmse, publication_id, report, figures, reported_at"
            " from recommender.night where cast(:through as timestamptz) is null or cutoff <= :through"
            " order by cutoff desc, reported_at desc, run_id limit :n",
            n=n,
            through=through,
        )
