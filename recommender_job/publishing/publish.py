"""Publishes a run: loads and checks in one transaction, switches in a second one, then drops what is no longer kept."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from recommender_job.config import Config
from recommender_job.errors import OutputRefused, PublicationBusy, RunTooOld
from recommender_job.evaluating import approval
from recommender_job.publishing.checking import SCORE_AGAIN, Checked, Night, check_night
from recommender_job.publishing.loading import ListRows, load, load_default
from recommender_job.publishing.pruning import prune
from recommender_job.publishing.publications import kept, lock, switch
from recommender_job.publishing.sides import Live
from recommender_job.publishing.whole import check_distinct, check_overlap, enter_figures
from recommender_job.ranking.recipe import Recipe
from recommender_job.runs import Run, stage_of
from recommender_job.scoring.plan import planned_experiences
from recommender_job.storage import partitions
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.beside import ahead
from recommender_job.storage.database import Database, Transaction


def publish(config: Config, run: Run, folder: RunFolder, database: Database, recipe: Recipe) -> dict[str, Any]:
    """Makes the run's lists what the website reads; with `dry_run`, everything but the switch.

    Running it again makes a new publication of the same run and switches to it; the next one drops the one before.

    Args:
        config: Settings.
        run: The night.
        folder: The run folder.
        database: Where to publish.
        recipe: What the model was trained by, to be kept with the publication.

    Returns:
        `publication_id`, `published`, `rows`, `default_rows`; `users`, `distinct_lists` and `overlap` as `Whole`
        tells them; `live_before`, the publication that was active until then, or None; `override`, who let a
        blocked model through, or None; and `pruned`, the dropped publications.

    Raises:
        OutputRefused: The lists break the contract.
        PublicationBusy: Another run is publishing.
        RunTooOld: A newer night is active.
        StageMissing: A shard has not been scored.
        ArtifactBroken: A file of the run is missing or damaged.
    """
    planned = folder.summary("plan_shards")
    by_shard = {shard: folder.summary(stage_of(shard)) for shard in planned["shards"]}
    scored = by_shard.values()
    model_version = folder.summary("refit")["model_version"]
    if {summary["model_version"] for summary in scored} != {model_version}:
        raise OutputRefused(
            f"The shards were not all scored by tonight's model {model_version}.",
            action=SCORE_AGAIN,
        )
    with folder.reading("finished/plan_shards.json"):
        count = int(planned["shards_in_all"])
    allowed = approval.read(folder)
    counts = {"users": sum(s["users"] for s in scored), "rows": sum(s["rows"] for s in scored)}
    model = {"model_version": model_version, "recipe": recipe.model_dump_json()}
    rmse = folder.summary("evaluate")["rmse"]
    experiences = planned_experiences(folder)
    with database.transaction() as transaction:
        lock(transaction)
        refuse_to_go_back(config, run, transaction)
        publication_id = _enter(config, run, transaction, counts, model, rmse, allowed)
        erased = [row["user_id"] for row in transaction.rows("select user_id from recommender.erasure")]
        night = Night(config, folder, experiences, by_shard, count, np.array(erased, np.int64))
        with folder.scratch("publish/sides") as scratch:  # inside the lock: nobody else is in there
            figures, default_rows = _build(transaction, publication_id, night, scratch)
    replaced: int | None = None
    # What was attached is committed before it is switched to: see docs/decisions/0010.
    if not config.dry_run:
        with database.transaction() as transaction:
            lock(transaction)
            refuse_to_go_back(config, run, transaction)
            if publication_id not in {row["publication_id"] for row in kept(transaction)}:
                raise PublicationBusy("Another run has published and cleaned up meanwhile.", action="Retry.")
            replaced = switch(transaction, publication_id)
    pruned: list[int] = []
    with contextlib.suppress(PublicationBusy):  # the next publisher is at work already and prunes after itself
        pruned = prune(database, config.keep_publications, replaced)
    return {
        "publication_id": publication_id,
        "published": not config.dry_run,
        "users": figures["users"],
        "rows": counts["rows"],
        "default_rows": default_rows,
        "distinct_lists": figures["distinct_lists"],
        "overlap": figures["overlap"],
        "live_before": figures["active_id"],
        "override": allowed,
        "pruned": pruned,
    }


def _build(transaction: Transaction, publication_id: int, night: Night, scratch: Path) -> tuple[dict[str, Any], int]:
    """Loads, checks and attaches the lists; returns the figures of the whole, and how long the default list is.

    They are checked beside the database's work, since nobody sees them before they are attached and committed.
    """
    active = transaction.row("select publication_id from recommender.active_publication")
    table = partitions.create(transaction, publication_id)
    loaded: dict[int, str] = {}
    with _checking(night, scratch) as (checking, live):
        lists = Live(night.count, scratch / "live")
        if active is not None:
            lists.read(transaction, active["publication_id"])
        live.set_result(lists)
        with contextlib.closing(ahead(_files(night, loaded))) as files:
            for file in files:
                load(transaction, table, file)
                if checking.done():
                    checking.result()  # refused: the rest need not be loaded
        partitions.attach(transaction, publication_id)
        found = checking.result()
    if loaded != found.checksums:
        raise OutputRefused("A shard's file changed while it was published.", action=SCORE_AGAIN)
    _check_count(transaction, night.rows, table)
    load_default(transaction, publication_id, found.default, night.experiences)
    enter_figures(transaction, publication_id, found.figures)
    check_overlap(night.config.checks, found.figures)
    check_distinct(night.config.checks, found.figures, found.by_default)
    return found.figures, len(found.default)


@contextlib.contextmanager
def _checking(night: Night, scratch: Path) -> Iterator[tuple[Future[Checked], Future[Live]]]:
    """Checks in a thread that ends with the block: its result, and the live lists, which it is to be given."""
    live: Future[Live] = Future()
    stop = threading.Event()
    with ThreadPoolExecutor(1) as thread:
        try:
            yield thread.submit(check_night, night, live, scratch, stop), live
        finally:
            stop.set()
            live.cancel()  # whoever waits for it waits no longer


def _files(night: Night, checksums: dict[int, str]) -> Iterator[io.BytesIO]:
    """The rows of all shards, to be loaded; notes their checksums."""
    rows = ListRows(night.experiences)
    for shard in night.scored:
        table, checksums[shard] = night.lists(shard)
        yield from rows.files(table)
        del table  # before the next shard's is read


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


def _check_count(transaction: Transaction, rows: int, table: str) -> None:
    loaded = transaction.count(table)
    if loaded != rows:
        raise OutputRefused(
            f"The shards hold {rows} rows but {loaded} were loaded.", action="Nothing was switched. Clear `publish`."
        )
