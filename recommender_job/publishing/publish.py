"""Publishes a run: loads and checks in one transaction, switches in a second one, then drops what is no longer kept."""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.config import Config
from recommender_job.errors import OutputRefused, PublicationBusy, RunTooOld
from recommender_job.evaluating import approval
from recommender_job.publishing.checks import Contract, check_lists, check_plan
from recommender_job.publishing.loading import ListRows, load, load_default
from recommender_job.publishing.popular import popular
from recommender_job.publishing.publications import kept, lock, prune, switch
from recommender_job.publishing.sides import Side, Sides
from recommender_job.publishing.whole import Whole, check_distinct, check_overlap, enter_figures, lists_by_default
from recommender_job.ranking.recipe import Recipe
from recommender_job.ratings.extract import EXPERIENCE_RULES
from recommender_job.runs import Run, stage_of
from recommender_job.scoring.plan import planned_experiences
from recommender_job.scoring.score import lists_file
from recommender_job.storage import partitions
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.beside import ahead
from recommender_job.storage.checksum import checksum
from recommender_job.storage.database import Database, Transaction
from recommender_job.tables import EXPERIENCE, LISTS, checked

_SCORE_AGAIN = "Nothing was switched. Clear `score` (all shards) and what follows."


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
        `Whole` tells them; `override`, who let a blocked model through, or None; and `pruned`, the
        dropped publications.

    Raises:
        OutputRefused: The lists break the contract.
        PublicationBusy: Another run is publishing.
        RunTooOld: A newer night is active.
        StageMissing: A shard has not been scored.
        ArtifactBroken: A file of the run is missing or damaged.
    """
    planned = folder.summary("plan_shards")
    shards = planned["shards"]
    scored = [folder.summary(stage_of(shard)) for shard in shards]
    model_version = folder.summary("refit")["model_version"]
    if {summary["model_version"] for summary in scored} != {model_version}:
        raise OutputRefused(
            f"The shards were not all scored by tonight's model {model_version}.",
            action=_SCORE_AGAIN,
        )
    with folder.reading("finished/plan_shards.json"):
        count = int(planned["shards_in_all"])
    allowed = approval.read(folder)
    counts = {"users": sum(s["users"] for s in scored), "rows": sum(s["rows"] for s in scored)}
    model = {"model_version": model_version, "recipe": recipe.model_dump_json()}
    rmse = folder.summary("evaluate")["rmse"]
    with database.transaction() as transaction:
        lock(transaction)
        refuse_to_go_back(config, run, transaction)
        publication_id = _enter(config, run, transaction, counts, model, rmse, allowed)
        with folder.scratch("publish/sides") as scratch:  # inside the lock: nobody else is in there
            sides = Sides(folder, shards, count, scratch)
            figures, default_rows = _build(
                config, folder, transaction, publication_id, sides, dict(zip(shards, scored, strict=True)), counts
            )
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
        "default_rows": default_rows,
        "distinct_lists": figures["distinct_lists"],
        "overlap": figures["overlap"],
        "override": allowed,
        "pruned": pruned,
    }


def _build(
    config: Config,
    folder: RunFolder,
    transaction: Transaction,
    publication_id: int,
    sides: Sides,
    scored: dict[int, dict[str, Any]],
    counts: dict[str, int],
) -> tuple[dict[str, Any], int]:
    """Loads, checks and attaches the lists; returns the figures of the whole, and how long the default list is."""
    experiences = planned_experiences(folder)
    check_plan(_without_erased(transaction, sides), experiences, _excluded(config, folder))
    scale, cap = (config.rating_min, config.rating_max), config.rules.max_per_group
    best = functools.partial(popular, sides.totals, experiences, prior=config.popularity_prior, scale=scale)
    default = best(n=config.top_n, max_per_group=cap)
    active = transaction.row("select publication_id from recommender.active_publication")
    active_id = active["publication_id"] if active else None
    if active_id is not None:
        sides.read_live(transaction, active_id)
    whole = Whole(sides.scratch / "lists")
    table = partitions.create(transaction, publication_id)
    files = _checked_files(folder, scored, sides, Contract(experiences, config.top_n, scale, cap), whole)
    with contextlib.closing(ahead(files)) as packed:
        for file in packed:
            load(transaction, table, file)
    _check_count(transaction, counts["rows"], table)
    load_default(transaction, publication_id, default, experiences)
    with ThreadPoolExecutor(1) as beside:  # while the database makes the index
        counted = beside.submit(whole.figures, active_id)
        partitions.attach(transaction, publication_id)
        figures = counted.result()
    enter_figures(transaction, publication_id, figures)

    def by_default() -> int:
        order = best(n=len(experiences))
        return lists_by_default(order, sides.left_out(), counts["users"], config.top_n, sides.scratch / "default")

    check_overlap(config.checks, figures)
    check_distinct(config.checks, figures, counts["users"], by_default)
    return figures, len(default)


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


def _checked_files(
    folder: RunFolder, scored: dict[int, dict[str, Any]], sides: Sides, contract: Contract, whole: Whole
) -> Iterator[io.BytesIO]:
    """The rows of all shards, to be loaded; each list is checked before its first row comes."""
    rows = ListRows(contract.experiences)
    for shard, summary in scored.items():
        lists, side = _lists_of(folder, shard, summary), sides.of(shard)
        tables = (lists, side.rated, side.opt_outs, sides.live(shard))
        for users, (own, rated, opt_outs, live) in side.parts(*tables):
            check_lists(own, users, rated, opt_outs, contract)
            whole.add(own, live)
            yield from rows.files(own)


def _lists_of(folder: RunFolder, shard: int, summary: dict[str, Any]) -> pd.DataFrame:
    table = folder.read_table(lists_file(shard))
    if len(table) != summary["rows"]:
        told = f"A shard wrote {summary['rows']} rows but its file holds {len(table)}."
        raise OutputRefused(told, action=_SCORE_AGAIN)
    # A shard that an older version scored has no checksum.
    if summary.get("checksum") not in (None, checksum(table)):
        raise OutputRefused(f"Shard {shard} wrote other rows than its file holds.", action=_SCORE_AGAIN)
    return checked(table.to_pandas(), LISTS)


def _excluded(config: Config, folder: RunFolder) -> set[int]:
    table = folder.read_frame(EXPERIENCE_RULES)
    return {*config.rules.excluded, *table.loc[table["is_excluded"], EXPERIENCE].tolist()}


def _without_erased(transaction: Transaction, sides: Sides) -> Iterator[Side]:
    """Keeps users who were erased since the run extracted from coming back; whoever erases holds the same lock."""
    erased = np.array([row["user_id"] for row in transaction.rows("select user_id from recommender.erasure")], np.int64)
    back: list[NDArray[np.int64]] = []
    for side in sides:
        back.append(side.planned[np.isin(side.planned, erased)])
        yield side
    users = np.sort(np.concatenate(back))
    if len(users):
        raise OutputRefused(
            f"{len(users)} users of this run were erased after it read them, the first is user {users[0]}.",
            action="Nothing was switched. Clear `extract` and what follows.",
        )


def _check_count(transaction: Transaction, rows: int, table: str) -> None:
    loaded = transaction.count(table)
    if loaded != rows:
        raise OutputRefused(
            f"The shards hold {rows} rows but {loaded} were loaded.", action="Nothing was switched. Clear `publish`."
        )
