"""What monitoring wants to know: how fresh the website's lists are, and how the last night ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, get_args

from recommender_job.config import Config
from recommender_job.errors import NotPublished
from recommender_job.publishing.publications import status
from recommender_job.reporting.nights import Outcome, nights
from recommender_job.reporting.prometheus import Family, render, write
from recommender_job.reporting.walk import walk
from recommender_job.runs import folder_of
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database

#: Counts of rows in the stages' summaries.
ROWS = (
    "source_rows", "extracted", "deleted", "snapshot", "pairs", "rejected", "holdout", "users", "rows", "opt_outs",
    "distinct_lists",
)  # fmt: skip

Samples = list[tuple[Mapping[str, str], float]]


def update(config: Config, now: datetime) -> dict[str, Any]:
    """Writes the text file, if `metrics.textfile` asks for it.

    Args:
        config: Settings.
        now: The moment that ages are counted to.

    Returns:
        `textfile` (path, None where none is written), and, where something is published, `publication_id`,
        `data_age_seconds`, `expires_in_seconds` (negative: stale for so long) and `is_stale`.

    Raises:
        StorageFailed: The file cannot be written.
        DatabaseAway: As anywhere.
    """
    database = Database.of(config)
    folder = config.metrics.textfile
    file = write(render(families(config, database, now)), folder) if folder else None
    return {"textfile": str(file) if file else None, **freshness(_live(database), now)}


def freshness(live: dict[str, Any] | None, now: datetime) -> dict[str, Any]:
    """How old what is live is; empty where nothing is.

    Args:
        live: The row of `recommendation_status`.
        now: The moment to count to.
    """
    if live is None:
        return {}
    return {
        "publication_id": live["publication_id"],
        "data_age_seconds": (now - live["data_through"]).total_seconds(),
        "expires_in_seconds": (live["expires_at"] - now).total_seconds(),
        "is_stale": now >= live["expires_at"],
    }


def families(config: Config, database: Database, now: datetime) -> list[Family]:
    """All metrics. Moments are Unix times, so that Prometheus counts ages up to its own now, not to the file's."""
    live, last = _live(database), next(iter(nights(database, 1)), None)
    return [
        *_of_what_is_live(live, now),
        *_of_the_night(last),
        *(_of_the_stages(RunFolder(config.runs, folder_of(last["run_id"]))) if last else ()),
        Family("recommender_metrics_timestamp_seconds", "When these figures were taken.", _one(now.timestamp())),
    ]


def _of_what_is_live(live: dict[str, Any] | None, now: datetime) -> Iterator[Family]:
    published = Family(
        "recommender_published", "1 where the website has lists, 0 before the first night.", _one(bool(live))
    )
    yield published
    if live is None:
        return
    about = {name: str(live[name]) for name in ("publication_id", "run_id", "model_version")}
    yield Family("recommender_publication_info", "What is live; always 1.", [(about, 1)])
    for name, what in (
        ("data_through", "Ratings before this moment are in what is live."),
        ("published_at", "When what is live first became active."),
        ("expires_at", "When what is live begins to be stale."),
    ):
        yield Family(f"recommender_{name.removesuffix('_at')}_timestamp_seconds", what, _one(live[name].timestamp()))
    stale = freshness(live, now)["is_stale"]
    yield Family("recommender_stale", "1 where what is live was stale when these figures were taken.", _one(stale))
    yield Family("recommender_publication_users", "Users with a list in what is live.", _one(live["users"]))
    yield Family("recommender_publication_rmse", "RMSE of the live model on unseen pairs.", _one(live["rmse"]))


def _of_the_night(last: dict[str, Any] | None) -> Iterator[Family]:
    if last is None:
        return
    outcomes: Samples = [({"outcome": one}, one == last["outcome"]) for one in get_args(Outcome)]
    yield Family("recommender_night_outcome", "1 at what became of the last night.", outcomes)
    for name, what in (
        ("cutoff", "Ratings before this moment were seen by the last night."),
        ("reported_at", "When the last night ended."),
    ):
        metric = f"recommender_night_{name.removesuffix('_at')}_timestamp_seconds"
        yield Family(metric, what, _one(last[name].timestamp()))
    yield Family("recommender_night_rmse", "RMSE of the last night's model on unseen pairs.", _one(last["rmse"]))
    yield Family("recommender_night_max_rmse", "Highest RMSE that would have passed.", _one(last["max_rmse"]))
    passed = {"published": 1, "dry run": 1, "blocked": 0}.get(last["outcome"])  # a failed night may not have got so far
    if last["figures"].get("override"):
        passed = 0  # a person let it pass
    yield Family(
        "recommender_night_gate_passed", "1 where the gate let the last night pass, 0 where not.", _one(passed)
    )


def _of_the_stages(folder: RunFolder) -> Iterator[Family]:
    # A damaged file must not take the freshness away with it; whoever reads it next fails and says so.
    found = walk(folder, over_damage=True).stages
    seconds: Samples = [({"stage": stage}, summary["seconds"]) for stage, summary in found.items()]
    yield Family("recommender_night_stage_duration_seconds", "How long a stage of the last night took.", seconds)
    rows: Samples = [
        ({"stage": stage, "kind": kind}, summary[kind])
        for stage, summary in found.items()
        for kind in ROWS
        if isinstance(summary.get(kind), int)
    ]
    yield Family("recommender_night_rows", "Rows that a stage of the last night has counted, by kind.", rows)


def _live(database: Database) -> dict[str, Any] | None:
    try:
        return status(database)
    except NotPublished:
        return None


def _one(value: float | None) -> Samples:
    return [] if value is None else [({}, value)]
