"""Rows of Parquet files in another order, in little memory: DuckDB sorts, on the disk where it must."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from glob import escape
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from recommender_job.errors import ConfigurationError, StorageFailed

#: Rows that are handed out together; a few dozen MiB.
_ROWS = 250_000
#: Memory in MiB for each thread that sorts.
_EACH_THREAD = 128


@contextlib.contextmanager
def sorted_rows(
    query: str, files: Sequence[Path], *, memory_mb: int, scratch: Path
) -> Iterator[Iterator[pa.RecordBatch]]:
    """Scans files together and sorts their rows.

    Args:
        query: In the SQL of DuckDB; it finds the names of the files in `$files`. One scan and an `order by`, nothing
            else: that keeps to the memory it is given, a join or a union of scans does not.
        files: What to scan.
        memory_mb: Memory in MiB for sorting; what does not fit goes to the disk.
        scratch: Folder for that.

    Yields:
        The rows, part by part.

    Raises:
        StorageFailed: The disk is full.
        ConfigurationError: The memory does not suffice.
    """
    settings: dict[str, Any] = {
        "memory_limit": f"{memory_mb}MiB",
        "temp_directory": str(scratch / "sort"),
        "threads": max(1, min(os.cpu_count() or 1, memory_mb // _EACH_THREAD)),
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    # A file name may hold what would be a pattern.
    names = [escape(str(file)) for file in files]
    try:
        with duckdb.connect(config=settings) as engine:
            engine.execute("set enable_progress_bar = false")  # it would stand in what a command prints
            yield engine.sql(query, params={"files": names}).to_arrow_reader(_ROWS)
    except duckdb.OutOfMemoryException as error:
        if "max_temp_directory_size" in str(error):  # all that the disk has
            raise _disk_full(scratch, error) from error
        raise ConfigurationError(
            f"{memory_mb} MiB do not suffice to sort the ratings: {str(error).splitlines()[0]}",
            action="Raise `extract_memory_mb`.",
        ) from error
    except duckdb.IOException as error:
        raise _disk_full(scratch, error) from error


def _disk_full(scratch: Path, error: duckdb.Error) -> StorageFailed:
    return StorageFailed(
        f"{scratch}: {str(error).splitlines()[0]}", action="Free the disk or restore access to the store, then retry."
    )
