"""Reads from the source what is new since the watermark and merges it with the previous snapshot.

The watermark is the moment through which the base run read (`read_through`), in the database's own time. A row of the
snapshot is named by (user, experience, rated_at); of several, the one updated last counts.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pandas as pd

from recommender_job.config import Config
from recommender_job.errors import ArtifactBroken
from recommender_job.runs import Run
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database, Transaction
from recommender_job.storage.source import read_source
from recommender_job.tables import (
    EXPERIENCE,
    RATED_AT,
    RATING,
    SOURCE_EXPERIENCE_RULES,
    SOURCE_EXPERIENCES,
    SOURCE_OPT_OUTS,
    SOURCE_RATINGS,
    SOURCE_USERS,
    UPDATED_AT,
    USER,
)

SNAPSHOT = "extract/snapshot.parquet"
EXPERIENCES = "extract/experiences.parquet"
USERS = "extract/users.parquet"
OPT_OUTS = "extract/opt_outs.parquet"
EXPERIENCE_RULES = "extract/experience_rules.parquet"

_KEY = [USER, EXPERIENCE, RATED_AT]
_ALWAYS = "-infinity"


def extract(config: Config, run: Run, folder: RunFolder, database: Database) -> dict[str, Any]:
    """Writes the run's snapshot, experiences and users, then moves the watermark.

    Returns:
        `cutoff`; `extracted`: rows that the base run's snapshot lacks; `snapshot`: rows in this run's snapshot; `users`
        and `experiences` in the source; `base_run_id`: the run whose snapshot was built upon, None on a full read.

    Raises:
        SourceBroken: A source query breaks its contract.
    """
    with database.transaction(snapshot=True) as transaction:
        base, old = _base(config, transaction, run)
        read_through = transaction.rows("select now() as now")[0]["now"]
        since = base["read_through"] - timedelta(minutes=config.lookback_minutes) if base else _ALWAYS
        new = read_source(
            config,
            transaction,
            "ratings",
            SOURCE_RATINGS,
            rated_until=run.cutoff,
            updated_since=since,
            rated_since=base["cutoff"] if base else _ALWAYS,
        ).to_pandas()
        experiences = read_source(config, transaction, "experiences", SOURCE_EXPERIENCES, unique=EXPERIENCE)
        users = read_source(config, transaction, "users", SOURCE_USERS, unique=USER)
        opt_outs = read_source(config, transaction, "opt_outs", SOURCE_OPT_OUTS, optional=True)
        rules = read_source(
            config, transaction, "experience_rules", SOURCE_EXPERIENCE_RULES, unique=EXPERIENCE, optional=True
        )
    snapshot = merge(old, new)
    folder.write_table(SNAPSHOT, snapshot)
    folder.write_table(EXPERIENCES, experiences)
    folder.write_table(USERS, users)
    folder.write_table(OPT_OUTS, opt_outs)
    folder.write_table(EXPERIENCE_RULES, rules)
    summary = {
        "cutoff": run.cutoff.isoformat(),
        "extracted": count_fresh(old, new),
        "snapshot": len(snapshot),
        "users": len(users),
        "experiences": len(experiences),
        "base_run_id": base["run_id"] if base else None,
    }
    # The watermark moves last: whoever sees it finds the snapshot it stands for.
    with database.transaction() as transaction:
        transaction.run("delete from recommender.extraction where run_id = :run_id", run_id=run.run_id)
        transaction.run(
            "insert into recommender.extraction"
            " (run_id, cutoff, read_through, base_run_id, snapshot_url, extracted, snapshot)"
            " values (:run_id, :cutoff, :read_through, :base_run_id, :snapshot_url, :extracted, :snapshot)",
            run_id=run.run_id,
            cutoff=run.cutoff,
            read_through=read_through,
            base_run_id=summary["base_run_id"],
            snapshot_url=folder.url(SNAPSHOT),
            extracted=summary["extracted"],
            snapshot=summary["snapshot"],
        )
    return summary


def merge(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Union of two sets of rows; of rows with the same key the one updated last stays.

    Args:
        old, new: Frames of `tables.SOURCE_RATINGS`.

    Returns:
        A new frame, one row for each key, in an order that depends on the rows alone.
    """
    rows = pd.concat([old, new], ignore_index=True)
    # The rating is there only to make the order total, should two versions of a row carry the same moment.
    rows = rows.sort_values([*_KEY, UPDATED_AT, RATING], kind="stable")
    return rows.drop_duplicates(_KEY, keep="last", ignore_index=True)


def count_fresh(old: pd.DataFrame, new: pd.DataFrame) -> int:
    """How many rows of `new` the snapshot `old` does not hold, in this version or a later one.

    The look-back reads some rows a second time; they are not new.
    """
    known = new[[*_KEY, UPDATED_AT]].merge(old[[*_KEY, UPDATED_AT]], on=_KEY, how="left", suffixes=("", "_known"))
    return int((~(known[f"{UPDATED_AT}_known"] >= known[UPDATED_AT])).sum())


def _base(config: Config, transaction: Transaction, run: Run) -> tuple[dict[str, Any] | None, pd.DataFrame]:
    """The extraction to build upon and its snapshot: the last one that saw nothing after this run's cutoff.

    A snapshot that is gone or damaged is passed over: the source still has everything, reading it costs only time.
    """
    candidates = transaction.rows(
        "select run_id, cutoff, read_through from recommender.extraction"
        " where cutoff <= :cutoff and run_id <> :run_id order by read_through desc limit 3",
        cutoff=run.cutoff,
        run_id=run.run_id,
    )
    for base in candidates:
        try:
            folder = RunFolder(config.runs, Run(base["run_id"], base["cutoff"]).folder)
            return base, folder.read_table(SNAPSHOT).cast(SOURCE_RATINGS).to_pandas()
        except (ArtifactBroken, ValueError):  # ValueError: columns of another version of the job
            continue
    return None, SOURCE_RATINGS.empty_table().to_pandas()
