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
    bounds = {column: (value, value) for column, value in wanted.items()}
    return _filtered(folder, name, lambda table: _matching(table, wanted), bounds)


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

    bounds = {column: (int(values[0]), int(values[-1]))} if len(values) else {column: (1, 0)}
    return _filtered(folder, name, among, bounds, columns)


def _filtered(
    folder: RunFolder,
    name: str,
    wanted: Callable[[pa.Table], pa.Table],
    bounds: dict[str, tuple[int, int]],
    columns: list[str] | None = None,
) -> pd.DataFrame:
    with folder.reading(name), (folder.path / name).open("rb") as file:
        # Otherwise pyarrow reads far ahead, and with it the whole file into memory.
        parquet = pq.ParquetFile(file, page_checksum_verification=True, pre_buffer=False, buffer_size=1 << 20)
        groups = [number for number in range(parquet.num_row_groups) if _may_match(parquet, number, bounds)]
        batches = parquet.iter_batches(row_groups=groups, columns=columns)
        parts = [wanted(pa.Table.from_batches([batch])) for batch in batches]
        empty = parquet.schema_arrow.empty_table()
        found = pa.concat_tables(parts) if parts else (empty.select(columns) if columns else empty)
        frame: pd.DataFrame = found.to_pandas()
        return frame


def _may_match(parquet: pq.ParquetFile, group: int, wanted: dict[str, tuple[int, int]]) -> bool:
    """Whether a row group's lowest and highest values leave room for the wanted ones, given by theirs."""
    columns = [parquet.metadata.row_group(group).column(place) for place in range(parquet.metadata.num_columns)]
    known = {column.path_in_schema: column.statistics for column in columns if column.is_stats_set}
    return all(
        low <= high
        and (name not in known or not known[name].has_min_max or (known[name].min <= high and low <= known[name].max))
        for name, (low, high) in wanted.items()
    )


def _matching(table: pa.Table, wanted: dict[str, int]) -> pa.Table:
    for column, value in wanted.items():
        table = table.filter(pc.equal(table[column], value))
    return table
