"""Publishes a run: loads and checks in one transaction, switches in a second one, then drops what is no longer kept."""

from __future__ import annotations

import contextlib
import functools
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.config import Config
from recommender_job.errors import OutputRefused, PublicationBusy, RunTooOld
from recommender_job.evaluating import approval
from recommender_job.publishing.checks import Contract, check_lists, check_plan
from recommender_job.publishing.loading import load_default, load_lists
from recommender_job.publishing.popular import popular
from recommender_job.publishing.publications import kept, lock, prune, switch
from recommender_job.publishing.whole import check_distinct, check_overlap, lists_by_default, whole_figures
from recommender_job.ranking.recipe import Recipe
from recommender_job.ratings.clean import CLEAN
from recommender_job.ratings.extract import EXPERIENCE_RULES, USERS
from recommender_job.runs import Run, stage_of
from recommender_job.scoring.plan import PLANNED_OPT_OUTS, planned_experiences, users_of_shard
from recommender_job.scoring.score import lists_file
from recommender_job.storage import partitions
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database, Transaction
from recommender_job.tables import EXPERIENCE, LISTS, USER, checked


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
        `publication_id`, `published`, `users`, `rows`, `default_rows`; `distinct_lists` and `overlap` as
        `whole.whole_figures` tells them; `live_before`, the publication that was active until then, or None;
        `override`, who let a blocked model through, or None; and `pruned`, the dropped publications.

    Raises:
        OutputRefused: The lists break the contract.
        PublicationBusy: Another run is publishing.
        RunTooOld: A newer night is active.
        StageMissing: A shard has not been scored.
        ArtifactBroken: A file of the run is missing or damaged.
    """
    shards = folder.summary("plan_shards")["shards"]
    scored = [folder.summary(stage_of(shard)) for shard in shards]
    model_version = folder.summary("refit")["model_version"]
    if {summary["model_version"] for summary in scored} != {model_version}:
        raise OutputRefused(
            f"The shards were not all scored by tonight's model {model_version}.",
            action="Nothing was switched. Clear `score` (all shards) and what follows.",
        )
    planned = [users_of_shard(folder, shard) for shard in shards]
    users, experiences = np.concatenate(planned), planned_experiences(folder)
    ratings, opt_outs = folder.read_frame(CLEAN), folder.read_frame(PLANNED_OPT_OUTS)
    scale, cap = (config.rating_min, config.rating_max), config.rules.max_per_group
    contract = Contract(experiences, config.top_n, scale, cap)
    best = functools.partial(popular, ratings, experiences, prior=config.popularity_prior, scale=scale)
    default = best(n=config.top_n, max_per_group=cap)

    def by_default() -> int:
        order = best(n=len(experiences))
        pairs = [frame.loc[frame[USER].isin(users), [USER, EXPERIENCE]] for frame in (ratings, opt_outs)]
        return lists_by_default(order, pd.concat(pairs), len(users), config.top_n)

    model = {"model_version": model_version, "recipe": recipe.model_dump_json()}
    allowed = approval.read(folder)
    counts = {"users": sum(s["users"] for s in scored), "rows": sum(s["rows"] for s in scored)}
    with database.transaction() as transaction:
        lock(transaction)
        refuse_to_go_back(config, run, transaction)
        _refuse_erased(transaction, users)
        check_plan(users, ratings, folder.read_frame(USERS), experiences, _excluded(config, folder))
        publication_id = _enter(config, run, transaction, counts, model, folder.summary("evaluate")["rmse"], allowed)
        table = partitions.create(transaction, publication_id)
        for shard, own, summary in zip(shards, planned, scored, strict=True):
            lists = _lists_of(folder, shard, summary)
            check_lists(lists, own, ratings[ratings[USER].isin(own)], opt_outs[opt_outs[USER].isin(own)], contract)
            load_lists(transaction, table, lists, experiences)
        _check_count(transaction, counts["rows"], table)
        load_default(transaction, publication_id, default, experiences)
        partitions.attach(transaction, publication_id)
        figures = whole_figures(transaction, publication_id)
        check_overlap(config.checks, figures)
        check_distinct(config.checks, figures, len(users), by_default)
    # What was attached is committed before it is switched to: see docs/decisions/0010.
    if not config.dry_run:
        with database.transaction() as transaction:
            lock(transaction)
            refuse_to_go_back(config, run, transaction)
            if publication_id not in {row["publication_id"] for row in kept(transaction)}:
                raise PublicationBusy("Another run has published and cleaned up meanwhile.", action="Retry.")
            switch(transaction, publication_id)
    pruned: list[int] = []
    with contextlib.suppress(PublicationBusy):  # the next publisher is at work already and prunes after itself
        pruned = prune(database, config.keep_publications)
    return {
        "publication_id": publication_id,
        "published": not config.dry_run,
        **counts,
        "default_rows": len(default),
        "distinct_lists": figures["distinct_lists"],
        "overlap": figures["overlap"],
        "live_before": figures["active_id"],
        "override": allowed,
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
    config: Config,
    run: Run,
    transaction: Transaction,
    counts: dict[str, int],
    model: dict[str, str],
    rmse: float,
    allowed: dict[str, Any] | None,
) -> int:
    row = transaction.rows(
        "insert into recommender.publication"
        " (run_id, model_version, recipe, data_through, fresh_hours, users, rows, top_n, rmse,"
        " override_by, override_at, override_reason)"
        " values (:run_id, :model_version, :recipe, :data_through, :fresh_hours, :users, :rows, :top_n, :rmse,"
        " :override_by, :override_at, :override_reason)"
        " returning publication_id",
        run_id=run.run_id,
        data_through=run.cutoff,
        fresh_hours=config.fresh_hours,
        top_n=config.top_n,
        rmse=rmse,
        override_by=allowed and allowed["by"],
        override_at=allowed and datetime.fromisoformat(allowed["at"]),
        override_reason=allowed and allowed["reason"],
        **model,
        **counts,
    )[0]
    return int(row["publication_id"])


def _lists_of(folder: RunFolder, shard: int, summary: dict[str, Any]) -> pd.DataFrame:
    lists = checked(folder.read_frame(lists_file(shard)), LISTS)
    if len(lists) != summary["rows"]:
        raise OutputRefused(
            f"A shard wrote {summary['rows']} rows but its file holds {len(lists)}.",
            action="Nothing was switched. Clear `score` (all shards) and what follows.",
        )
    return lists


def _excluded(config: Config, folder: RunFolder) -> set[int]:
    table = folder.read_frame(EXPERIENCE_RULES)
    return {*config.rules.excluded, *table.loc[table["is_excluded"], EXPERIENCE].tolist()}


def _refuse_erased(transaction: Transaction, users: NDArray[np.int64]) -> None:
    """Keeps users who were erased since the run extracted from coming back; whoever erases holds the same lock."""
    rows = transaction.rows("select user_id from recommender.erasure")
    back = np.intersect1d(users, np.array([row["user_id"] for row in rows], np.int64))
    if len(back):
        raise OutputRefused(
            f"{len(back)} users of this run were erased after it read them, the first is user {back[0]}.",
            action="Nothing was switched. Clear `extract` and what follows.",
        )


def _check_count(transaction: Transaction, rows: int, table: str) -> None:
    loaded = transaction.count(table)
    if loaded != rows:
        raise OutputRefused(
            f"The shards hold {rows} rows but {loaded} were loaded.", action="Nothing was switched. Clear `publish`."
        )
