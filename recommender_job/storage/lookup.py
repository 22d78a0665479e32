"""The rows of one user or experience in a file of the run folder, without reading the rest into memory."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

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
    with folder.reading(name), (folder.path / name).open("rb") as file:
        # Otherwise pyarrow reads far ahead, and with it the whole file into memory.
        parquet = pq.ParquetFile(file, page_checksum_verification=True, pre_buffer=False, buffer_size=1 << 20)
        groups = [number for number in range(parquet.num_row_groups) if _may_match(parquet, number, wanted)]
        read = parquet.iter_batches(row_groups=groups)
        parts = [_matching(pa.Table.from_batches([batch]), wanted) for batch in read]
        found = pa.concat_tables(parts) if parts else parquet.schema_arrow.empty_table()
        frame: pd.DataFrame = found.to_pandas()
        return frame


def _may_match(parquet: pq.ParquetFile, group: int, wanted: dict[str, int]) -> bool:
    """Whether a row group's lowest and highest values leave room for the wanted ones."""
    columns = [parquet.metadata.row_group(group).column(place) for place in range(parquet.metadata.num_columns)]
    bounds = {column.path_in_schema: column.statistics for column in columns if column.is_stats_set}
    return all(
        name not in bounds or not bounds[name].has_min_max or bounds[name].min <= value <= bounds[name].max
        for name, value in wanted.items()
    )


def _matching(table: pa.Table, wanted: dict[str, int]) -> pa.Table:
    for column, value in wanted.items():
        table = table.filter(pc.equal(table[column], value))
    return table
