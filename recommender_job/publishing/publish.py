"""Publishes a run: loads, checks and switches in one transaction, so that a killed publish leaves nothing behind."""

from __future__ import annotations

import contextlib
import io
from datetime import UTC
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from recommender_job.config import Config
from recommender_job.errors import OutputRefused, PublicationBusy, RunTooOld
from recommender_job.publishing.checks import check_lists
from recommender_job.publishing.popular import popular
from recommender_job.publishing.publications import lock, prune, switch
from recommender_job.ranking.recipe import Recipe
from recommender_job.ratings.clean import CLEAN
from recommender_job.runs import Run, stage_of
from recommender_job.scoring.plan import PLANNED_EXPERIENCES, users_of_shard
from recommender_job.scoring.score import lists_file
from recommender_job.storage import partitions
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database, Transaction
from recommender_job.tables import EXPERIENCE, LISTS, NAME, USER, checked

_COLUMNS = ["user_id", "rank", "experience_id", "predicted_rating", "experience_name", "source"]


def publish(config: Config, run: Run, folder: RunFolder, database: Database, recipe: Recipe) -> dict[str, Any]:
    """Makes the run's lists what the website reads; with `dry_run`, everything but the switch.

    Running it again makes a new publication of the same run, switches to it, and drops the one before.

    Args:
        config: Settings.
        run: The night.
        folder: The run folder.
        database: Where to publish.
        recipe: What the model was trained by, to be kept with the publication.

    Returns:
        `publication_id`, `published`, `users`, `rows`, `default_rows`, and `pruned`, the dropped publications.

    Raises:
        OutputRefused: The lists break the contract.
        PublicationBusy: Another run is publishing.
        RunTooOld: A newer night is active.
        StageMissing: A shard has not been scored.
    """
    shards = folder.summary("plan_shards")["shards"]
    ratings = folder.read_frame(CLEAN)
    experiences = folder.read_frame(PLANNED_EXPERIENCES)
    scored = [folder.summary(stage_of(shard)) for shard in shards]
    model_version = folder.summary("refit")["model_version"]
    if {summary["model_version"] for summary in scored} != {model_version}:
        raise OutputRefused(
            f"The shards were not all scored by tonight's model {model_version}.",
            action="Nothing was switched. Clear `score` (all shards) and what follows.",
        )
    default = popular(
        ratings,
        experiences,
        n=config.top_n,
        prior=config.popularity_prior,
        scale=(config.rating_min, config.rating_max),
    )
    model = {"model_version": model_version, "recipe": recipe.model_dump_json()}
    counts = {"users": sum(s["users"] for s in scored), "rows": sum(s["rows"] for s in scored)}
    with database.transaction() as transaction:
        lock(transaction)
        refuse_to_go_back(config, run, transaction)
        publication_id = _enter(config, run, transaction, counts, model, folder.summary("evaluate")["rmse"])
        table = partitions.create(transaction, publication_id)
        for shard, summary in zip(shards, scored, strict=True):
            lists = checked(folder.read_frame(lists_file(shard)), LISTS)
            _check(config, lists, summary, users_of_shard(folder, shard), experiences, ratings)
            transaction.copy_in(table, _COLUMNS, _as_csv(_named(lists, experiences, "model")))
        _check_count(transaction, counts["rows"], table)
        _load_default(transaction, publication_id, _named(default, experiences, "popular"))
        partitions.attach(transaction, publication_id)
        if not config.dry_run:
            switch(transaction, publication_id)
    pruned: list[int] = []
    with contextlib.suppress(PublicationBusy):  # the next publisher is at work already and prunes after itself
        pruned = prune(database, config.keep_publications)
    return {
        "publication_id": publication_id,
        "published": not config.dry_run,
        **counts,
        "default_rows": len(default),
        "pruned": pruned,
    }


def refuse_to_go_back(config: Config, run: Run, transaction: Transaction) -> None:
    """Keeps the rerun of an old night from replacing a newer one, unless that is asked for.

    Raises:
        RunTooOld: The active publication saw ratings later than this run's cutoff.
    """
    active = transaction.row("select run_id, data_through from recommender.recommendation_status")
    if config.dry_run or config.allow_older or active is None or active["data_through"] <= run.cutoff:
        return
    raise RunTooOld(
        f"Run {active['run_id']}, with ratings through {active['data_through']:%Y-%m-%d %H:%M} UTC, is active; this run"
        f" only sees ratings through {run.cutoff.astimezone(UTC):%Y-%m-%d %H:%M} UTC.",
        action="Leave it; or, to go back on purpose, rerun with allow_older=true or roll back.",
    )


def _enter(
    config: Config, run: Run, transaction: Transaction, counts: dict[str, int], model: dict[str, str], rmse: float
) -> int:
    row = transaction.rows(
        "insert into recommender.publication"
        " (run_id, model_version, recipe, data_through, fresh_hours, users, rows, top_n, rmse)"
        " values (:run_id, :model_version, :recipe, :data_through, :fresh_hours, :users, :rows, :top_n, :rmse)"
        " returning publication_id",
        run_id=run.run_id,
        data_through=run.cutoff,
        fresh_hours=config.fresh_hours,
        top_n=config.top_n,
        rmse=rmse,
        **model,
        **counts,
    )[0]
    return int(row["publication_id"])


def _check(
    config: Config,
    lists: pd.DataFrame,
    summary: dict[str, Any],
    users: NDArray[np.int64],
    experiences: pd.DataFrame,
    ratings: pd.DataFrame,
) -> None:
    if len(lists) != summary["rows"]:
        raise OutputRefused(
            f"A shard wrote {summary['rows']} rows but its file holds {len(lists)}.",
            action="Nothing was switched. Clear `score` (all shards) and what follows.",
        )
    check_lists(
        lists,
        users,
        experiences[EXPERIENCE].to_numpy(),
        ratings[ratings[USER].isin(users)],
        n=config.top_n,
        scale=(config.rating_min, config.rating_max),
    )


def _check_count(transaction: Transaction, rows: int, table: str) -> None:
    loaded = transaction.count(table)
    if loaded != rows:
        raise OutputRefused(
            f"The shards hold {rows} rows but {loaded} were loaded.", action="Nothing was switched. Clear `publish`."
        )


def _named(lists: pd.DataFrame, experiences: pd.DataFrame, source: str) -> pd.DataFrame:
    """Adds `experience_name` and `source`."""
    names = experiences.set_index(EXPERIENCE)[NAME]
    return lists.assign(experience_name=lists[EXPERIENCE].map(names), source=source)


def _as_csv(lists: pd.DataFrame) -> io.BytesIO:
    buffer = io.BytesIO()
    table = pa.Table.from_pandas(lists[_COLUMNS], preserve_index=False)
    csv.write_csv(table, buffer, csv.WriteOptions(include_header=False))
    buffer.seek(0)
    return buffer


def _load_default(transaction: Transaction, publication_id: int, default: pd.DataFrame) -> None:
    transaction.run_many(
        "insert into recommender.default_recommendation"
        " (publication_id, rank, experience_id, experience_name, predicted_rating, source)"
        " values (:publication_id, :rank, :experience_id, :experience_name, :predicted_rating, :source)",
        [
            {str(k): v for k, v in row.items()}
            for row in default.assign(publication_id=publication_id).to_dict("records")
        ],
    )
