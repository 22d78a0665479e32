"""The page of the run report: puts the sections together and fills the template."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from recommender_job.config import Config
from recommender_job.reporting.exposure import Exposure
from recommender_job.reporting.history_section import history_section
from recommender_job.reporting.list_plots import concentration_plot
from recommender_job.reporting.model_section import model_section, ratings_section
from recommender_job.reporting.nights import Night
from recommender_job.reporting.operation_section import drift_section, settings_rows, stage_rows, versions
from recommender_job.reporting.progress import Progress
from recommender_job.reporting.remembered import Part, Remembered
from recommender_job.reporting.verdict import moment, verdict_of
from recommender_job.runs import Run
from recommender_job.storage.artifacts import RunFolder
from recommender_job.tables import NAME

TEMPLATES = Path(__file__).parent / "templates"
#: Experiences that are named, most recommended first.
NAMED = 10
#: Parts of what the database tells, in words.
LOST: dict[Part, str] = {
    "live": "what the website shows",
    "history": "earlier nights",
    "accepted": "the ratings of the last accepted night",
    "changes": "what changed since the last lists",
}


def page(
    config: Config,
    run: Run,
    folder: RunFolder,
    progress: Progress,
    remembered: Remembered,
    night: Night,
    exposure: Exposure | None,
    notes: list[str],
    *,
    now: datetime,
) -> str:
    """The report as HTML; the same but for the time, whenever the same is asked.

    Args:
        config: Settings.
        run: The night.
        folder: Its run folder.
        progress: How far it has come.
        remembered: What the database tells.
        night: Tonight's row among the nights.
        exposure: Its lists; None where they are not made or cannot be read.
        notes: Why its lists could not be read, if they are made.
        now: The time that the report carries.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,  # names of experiences are anybody's text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = moment
    environment.filters["signed"] = signed
    environment.filters["told"] = told
    metrics, clean = progress.stages.get("evaluate"), progress.stages.get("clean")
    model = model_section(config, folder, metrics, exposure) if metrics else None
    return environment.get_template("report.html").render(
        run=run,
        now=now,
        verdict=verdict_of(run, progress, remembered.live),
        override=progress.override,
        progress=progress,
        live=remembered.live,
        night=night,
        model=model,
        gate=progress.verdict,
        history=history_section(asdict(night), remembered.history),
        ratings=ratings_section(clean, remembered.accepted) if clean else None,
        clean=clean,
        drift=drift_section(clean) if clean else None,
        lists=_lists_section(exposure) if exposure else None,
        changes=remembered.changes,
        stages=stage_rows(progress),
        settings=settings_rows(config),
        versions=versions(),
        notes=[*notes, *(model["notes"] if model else [])],
        trouble=str(remembered.trouble.cause) if remembered.trouble else None,
        lost={part: LOST[part] for part in remembered.missing},
        lists_unread=bool(notes),
    )


def told(text: str) -> Markup:
    """A text of an error as HTML: escaped, and what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def signed(value: float) -> str:
    """A difference to three places, with its sign unless it rounds to zero."""
    shown = f"{value:+.3f}"
    return "0.000" if float(shown) == 0 else shown


def _lists_section(exposure: Exposure) -> dict[str, Any]:
    ranked = exposure.counts["ratings"].rank(method="min", ascending=False).astype(int)
    top = exposure.counts.assign(place=ranked).head(NAMED)
    return {
        "plot": concentration_plot(exposure),
        "users": exposure.users,
        "offered": exposure.offered,
        "recommended": exposure.recommended,
        "top": [
            {
                "name": row[NAME],
                "ratings": row["ratings"],
                "place": row["place"],
                "share": row["places"] / max(exposure.users, 1),
            }
            for row in top.to_dict("records")
        ],
    }
