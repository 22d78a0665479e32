"""The rows of some users or experiences in a file of the run folder, without reading the rest into memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recommender_job.storage.artifacts import RunFolder


def rows_where(folder: RunFolder, name: str, **wanted: int) -> pd.DataFrame:
    """Rows of a Parquet file whose columns have the given values.

    Args:
        folder: The run folder.
        name: The file.
        **wanted: Column and value.

    Raises:
        ArtifactBroken: The file is missing or damaged, or lacks a column.
    """
    return _filtered(folder, name, lambda table: _matching(table, wanted))


def rows_among(
    folder: RunFolder, name: str, column: str, values: NDArray[np.int64], columns: list[str] | None = None
) -> pd.DataFrame:
    """Rows of a Parquet file in which a column has one of many values.

    Args:
        folder: The run folder.
        name: The file.
        column: Its column, whole numbers.
        values: Ascending.
        columns: Those to read, `column` among them; None: all.

    Raises:
        ArtifactBroken: The file is missing or damaged, or lacks a column.
    """

    def among(table: pa.Table) -> pa.Table:
        found = table[column].to_numpy()
        place = np.minimum(np.searchsorted(values, found), len(values) - 1)
        return table.filter(pa.array(values[place] == found))

    return _filtered(folder, name, among if len(values) else lambda table: table.slice(0, 0), columns)


def _filtered(
    folder: RunFolder, name: str, wanted: Callable[[pa.Table], pa.Table], columns: list[str] | None = None
) -> pd.DataFrame:
    with folder.reading(name), (folder.path / name).open("rb") as file:
        # Otherwise pyarrow reads far ahead, and with it the whole file into memory.
        parquet = pq.ParquetFile(file, page_checksum_verification=True, pre_buffer=False, buffer_size=1 << 20)
        batches = parquet.iter_batches(columns=columns)
        parts = [wanted(pa.Table.from_batches([batch])) for batch in batches]
        empty = parquet.schema_arrow.empty_table()
        found = pa.concat_tables(parts) if parts else (empty.select(columns) if columns else empty)
        frame: pd.DataFrame = found.to_pandas()
        return frame


def _matching(table: pa.Table, wanted: dict[str, int]) -> pa.Table:
    for column, value in wanted.items():
        table = table.filter(pc.equal(table[column], value))
    return table
