"""Reads from the source what is new since the watermark and merges it with the previous snapshot.

A night reads everything instead when there is no snapshot to build upon, when `full_read` or `full_read_days` says so,
and when the merged snapshot holds more than the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recommender_job.config import Config
from recommender_job.ratings.snapshot import Merged, Parts, merge
from recommender_job.ratings.watermark import SNAPSHOT, Watermark, find_base, move, take_back
from recommender_job.runs import Run
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database, Transaction
from recommender_job.storage.source import count_source, read_source, spool_source
from recommender_job.tables import (
    EXPERIENCE,
    SOURCE_DELETIONS,
    SOURCE_EXPERIENCE_RULES,
    SOURCE_EXPERIENCES,
    SOURCE_OPT_OUTS,
    SOURCE_RATINGS,
    SOURCE_USERS,
    USER,
)

__all__ = ["EXPERIENCES", "EXPERIENCE_RULES", "OPT_OUTS", "SNAPSHOT", "USERS", "extract"]

EXPERIENCES = "extract/experiences.parquet"
USERS = "extract/users.parquet"
OPT_OUTS = "extract/opt_outs.parquet"
EXPERIENCE_RULES = "extract/experience_rules.parquet"

_ALWAYS = "-infinity"


def extract(config: Config, run: Run, folder: RunFolder, database: Database) -> dict[str, Any]:
    """Writes the run's snapshot, users, experiences and the rules about them, then moves the watermark.

    Returns:
        `cutoff`; `extracted`: rows that the base run's snapshot lacks; `deleted`: rows of that snapshot that are gone;
        `snapshot`: rows in this run's snapshot; `source_rows`: rows that the source holds for this cutoff; `full_read`:
        whether all of them were read; `users` and `experiences` in the source, without erased users; `base_run_id`: the
        run whose snapshot was built upon or, on a full read, compared with; None without one.

    Raises:
        SourceBroken: A source query breaks its contract.
        ConfigurationError: `extract_memory_mb` does not suffice.
        StorageFailed: The disk is full.
    """
    with folder.scratch("extract/merge") as scratch, database.transaction(snapshot=True) as transaction:
        now = transaction.rows("select now() as now")[0]["now"]
        erased = [row[USER] for row in transaction.rows("select user_id from recommender.erasure")]
        counts = _copy_small_tables(config, transaction, folder, erased)
        base = find_base(config, transaction, run, scratch / "old.parquet")
        reading = _Reading(config, run, folder, database, transaction, erased, scratch)
        if base is None or config.full_read or base.is_due(now, config.full_read_days):
            read = reading.everything()
        else:
            read = reading.what_is_new(base)
        if read.merged.rows > read.source_rows:
            # The snapshot holds what the source does not: something vanished without a trace, as by `truncate`.
            read = reading.everything()
    rows = {"extracted": read.merged.extracted, "snapshot": read.merged.rows, "source_rows": read.source_rows}
    full_read_at = now if read.full or base is None else base.full_read_at
    move(database, Watermark(run.run_id, run.cutoff, now, full_read_at), base=base, url=folder.url(SNAPSHOT), **rows)
    return {
        "cutoff": run.cutoff.isoformat(),
        **rows,
        "deleted": read.merged.deleted,
        "full_read": read.full,
        **counts,
        "base_run_id": base.run_id if base else None,
    }


@dataclass(frozen=True)
class _Read:
    full: bool
    source_rows: int
    merged: Merged


@dataclass(frozen=True)
class _Reading:
    """Reads ratings and writes the snapshot; the base's lies in `scratch` already."""

    config: Config
    run: Run
    folder: RunFolder
    database: Database
    transaction: Transaction
    erased: Sequence[int]
    scratch: Path

    def everything(self) -> _Read:
        pq.write_table(SOURCE_DELETIONS.empty_table(), self._parts.deletions)
        rows = spool_source(
            self.config, self.transaction, "ratings", SOURCE_RATINGS, self._parts.new, **self._bounds(_ALWAYS, _ALWAYS)
        )
        return _Read(True, rows, self._merged(keep_old=False))

    def what_is_new(self, base: Watermark) -> _Read:
        config, transaction = self.config, self.transaction
        since = base.read_through - timedelta(minutes=config.lookback_minutes)
        bounds = self._bounds(since, base.cutoff)
        spool_source(config, transaction, "ratings", SOURCE_RATINGS, self._parts.new, **bounds)
        spool_source(
            config,
            transaction,
            "deletions",
            SOURCE_DELETIONS,
            self._parts.deletions,
            optional=True,
            deleted_since=since,
        )
        rows = count_source(config, transaction, "ratings", SOURCE_RATINGS, **self._bounds(_ALWAYS, _ALWAYS))
        return _Read(False, rows, self._merged(keep_old=True))

    @property
    def _parts(self) -> Parts:
        return Parts(*(self.scratch / f"{name}.parquet" for name in ("new", "old", "deletions")))

    def _bounds(self, updated_since: datetime | str, rated_since: datetime | str) -> dict[str, Any]:
        return {"rated_until": self.run.cutoff, "updated_since": updated_since, "rated_since": rated_since}

    def _merged(self, *, keep_old: bool) -> Merged:
        take_back(self.database, self.run)
        with self.folder.table_writer(SNAPSHOT, SOURCE_RATINGS) as write:
            return merge(
                self._parts,
                write,
                keep_old=keep_old,
                erased=self.erased,
                memory_mb=self.config.extract_memory_mb,
                scratch=self.scratch,
            )


def _copy_small_tables(
    config: Config, transaction: Transaction, folder: RunFolder, erased: Sequence[int]
) -> dict[str, int]:
    """Copies what is read whole every night, without erased users; returns how many users and experiences there are."""
    users = read_source(config, transaction, "users", SOURCE_USERS, unique=USER)
    experiences = read_source(config, transaction, "experiences", SOURCE_EXPERIENCES, unique=EXPERIENCE)
    opt_outs = read_source(config, transaction, "opt_outs", SOURCE_OPT_OUTS, optional=True)
    rules = read_source(
        config, transaction, "experience_rules", SOURCE_EXPERIENCE_RULES, unique=EXPERIENCE, optional=True
    )
    users, opt_outs = (
        table.filter(pc.invert(pc.is_in(table[USER], pa.array(erased, pa.int64())))) for table in (users, opt_outs)
    )
    for name, table in ((USERS, users), (EXPERIENCES, experiences), (OPT_OUTS, opt_outs), (EXPERIENCE_RULES, rules)):
        folder.write_table(name, table)
    return {"users": len(users), "experiences": len(experiences)}
