"""The run report: gathers what there is, however far the run has come, and writes one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from recommender_job.config import Config
from recommender_job.errors import ArtifactBroken, RecommenderError, StorageFailed
from recommender_job.reporting.exposure import Exposure, exposure_of
from recommender_job.reporting.metrics import update
from recommender_job.reporting.nights import Night, record
from recommender_job.reporting.page import page
from recommender_job.reporting.progress import Progress, progress_of
from recommender_job.reporting.remembered import remember
from recommender_job.runs import Run
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database


def report(config: Config, run: Run, folder: RunFolder, name: str, *, now: datetime) -> dict[str, Any]:
    """Keeps the night among the nights, renews the figures for monitoring, and writes the report of the run.

    The night comes first: whatever goes wrong with the report, the night is on record.

    Args:
        config: Settings.
        run: The night.
        folder: Its run folder; any of its stages may be missing.
        name: Where the report goes in it.
        now: The time that the report carries.

    Returns:
        `outcome`, `reasons`, `report` (path or URL), `publication_id`, and `is_explained`: false where the night has
        failed and nothing says why, so that nobody has been told either.

    Raises:
        StorageFailed: The report, or the file for monitoring, could not be written.
        DatabaseAway, SchemaMissing: Something could not be read or kept; the report is written without it.
    """
    troubles: list[RecommenderError] = []

    def attempt(work: Callable[[], Any]) -> None:
        try:
            work()
        except RecommenderError as error:
            troubles.append(error)  # raised once the report is written

    progress = progress_of(folder)
    night = _night(config, run, progress)
    attempt(lambda: record(Database.of(config), night))
    if not troubles:
        attempt(lambda: update(config, now))  # once the night is among those that it tells of
    remembered = remember(config, run, progress)
    exposure, notes = _exposure(config, folder, progress)
    folder.write_text(name, page(config, run, folder, progress, remembered, night, exposure, notes, now=now))
    night = replace(night, report=folder.url(name))
    attempt(lambda: record(Database.of(config), night))
    for error in (remembered.trouble, *troubles):
        if error is not None:
            raise error
    return {
        "outcome": night.outcome,
        "reasons": list(night.reasons),
        "report": night.report,
        "publication_id": night.publication_id,
        "is_explained": night.outcome != "failed" or bool(progress.failures),
    }


def _exposure(config: Config, folder: RunFolder, progress: Progress) -> tuple[Exposure | None, list[str]]:
    """Tonight's lists, where all of them are made and readable; else why they are not."""
    shards = progress.stages.get("plan_shards", {}).get("shards", [])
    scored = sum(name.startswith("score-") for name in progress.stages)
    if not shards or scored < len(shards):
        return None, []
    try:
        return exposure_of(folder, shards, (config.rating_min, config.rating_max)), []
    except (ArtifactBroken, StorageFailed) as error:
        return None, [error.cause]


def _night(config: Config, run: Run, progress: Progress) -> Night:
    """The run's row, as long as there is no report."""
    stages = progress.stages
    metrics, clean = stages.get("evaluate", {}), stages.get("clean", {})
    naive = metrics.get("baselines", {})
    best = min(naive, key=naive.__getitem__) if naive else None
    lists = metrics.get("lists", {})
    return Night(
        run_id=run.run_id,
        cutoff=run.cutoff,
        outcome=progress.outcome,
        reasons=progress.reasons,
        rmse=metrics.get("rmse"),
        max_rmse=config.gate.max_rmse if metrics else None,
        publication_id=stages["publish"]["publication_id"] if progress.stopped_at is None else None,
        figures={
            "n": metrics.get("n"),
            "rmse_interval": metrics.get("rmse_interval"),
            "best_naive": best,
            "best_naive_rmse": naive[best] if best else None,
            "champion_rmse": (metrics.get("champion") or {}).get("rmse"),
            "recall": lists.get("model", {}).get("recall@10"),
            "popularity_recall": lists.get("popularity", {}).get("recall@10"),
            "coverage": lists.get("model", {}).get("coverage"),
            "pairs": clean.get("pairs"),
            "users": clean.get("users"),
            "seconds": round(sum(summary.get("seconds", 0.0) for summary in stages.values()), 3),
            "override": bool(progress.override),
        },
    )
