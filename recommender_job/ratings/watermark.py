"""The watermark: through which moment a run has read the source, and which snapshot stands for it.

Moments are the database's own. The watermark is taken back before a run's snapshot is replaced and set after, so
whoever sees it finds the snapshot it stands for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recommender_job.config import Config
from recommender_job.errors import ArtifactBroken
from recommender_job.ratings.snapshot import OLD_RATINGS
from recommender_job.runs import Run
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database, Transaction
from recommender_job.storage.source import spool_writer
from recommender_job.tables import SOURCE_RATINGS

SNAPSHOT = "extract/snapshot.parquet"


@dataclass(frozen=True)
class Watermark:
    """An extraction to build upon.

    Args:
        run_id: The run.
        cutoff: It saw nothing that was rated at or after this moment.
        read_through: When it read.
        full_read_at: When everything was read last, by this run or one that it builds upon; None: not known.
    """

    run_id: str
    cutoff: datetime
    read_through: datetime
    full_read_at: datetime | None

    def is_due(self, now: datetime, days: float) -> bool:
        """Whether everything must be read again: the last time is `days` past, or not known."""
        return self.full_read_at is None or now - self.full_read_at >= timedelta(days=days)


def find_base(config: Config, transaction: Transaction, run: Run, into: Path) -> Watermark | None:
    """The extraction to build upon: the last one that saw nothing after this run's cutoff.

    A snapshot that is gone or damaged is passed over: the source still has everything, reading it costs only time.

    Args:
        config: Says where the runs lie.
        transaction: Reads the watermarks.
        run: The run that wants to build; it never builds upon an attempt of its own.
        into: Where to write the snapshot, checked, as a local file of `OLD_RATINGS`; an empty one without a base.

    Raises:
        StorageFailed: The store of the runs cannot be read.
        OSError: `into` cannot be written.
    """
    candidates = transaction.rows(
        "select run_id, cutoff, read_through, full_read_at from recommender.extraction"
        " where cutoff <= :cutoff and run_id <> :run_id order by read_through desc limit 3",
        cutoff=run.cutoff,
        run_id=run.run_id,
    )
    for candidate in candidates:
        base = Watermark(**candidate)
        folder = RunFolder(config.runs, Run(base.run_id, base.cutoff).folder)
        try:
            _copy(_checked_parts(folder), into)
        except ArtifactBroken:
            continue
        return base
    _copy(iter(()), into)
    return None


def take_back(database: Database, run: Run) -> None:
    """Forgets a run's watermark, before its snapshot is replaced."""
    with database.transaction() as transaction:
        _forget(transaction, run.run_id)


def move(database: Database, reached: Watermark, *, base: Watermark | None, url: str, **rows: int) -> None:
    """Sets a run's watermark, after its snapshot is written.

    Args:
        database: Where.
        reached: The watermark.
        base: What the snapshot was built upon or compared with.
        url: Where the snapshot lies.
        rows: `extracted`, `snapshot` and `source_rows`.
    """
    with database.transaction() as transaction:
        _forget(transaction, reached.run_id)
        transaction.run(
            "insert into recommender.extraction (run_id, cutoff, read_through, full_read_at, base_run_id,"
            " snapshot_url, extracted, snapshot, source_rows) values (:run_id, :cutoff, :read_through, :full_read_at,"
            " :base_run_id, :snapshot_url, :extracted, :snapshot, :source_rows)",
            run_id=reached.run_id,
            cutoff=reached.cutoff,
            read_through=reached.read_through,
            full_read_at=reached.full_read_at,
            base_run_id=base.run_id if base else None,
            snapshot_url=url,
            **rows,
        )


def _forget(transaction: Transaction, run_id: str) -> None:
    transaction.run("delete from recommender.extraction where run_id = :run_id", run_id=run_id)


def _checked_parts(folder: RunFolder) -> Iterator[pa.Table]:
    with folder.reading(SNAPSHOT), (folder.path / SNAPSHOT).open("rb") as file:
        parquet = pq.ParquetFile(file, page_checksum_verification=True)
        for number in range(parquet.num_row_groups):
            yield parquet.read_row_group(number).cast(SOURCE_RATINGS)


def _copy(parts: Iterator[pa.Table], into: Path) -> None:
    with spool_writer(into, OLD_RATINGS) as writer:
        for part in parts:
            marks = pa.repeat(True, len(part))
            writer.write_table(pa.table([*part.columns, marks], schema=OLD_RATINGS))
