"""The rows of some users or experiences in a file of the run folder, without reading the rest into memory."""

from __future__ import annotations

from collections.abc import Iterator

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
    frame: pd.DataFrame = pa.concat_tables(batches_where(folder, name, **wanted)).to_pandas()
    return frame


def batches_where(folder: RunFolder, name: str, **wanted: int) -> Iterator[pa.Table]:
    """The same rows in parts, a bounded number at a time; the first part has none.

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
        yield _matching(parquet.schema_arrow.empty_table(), wanted)
        for batch in parquet.iter_batches(row_groups=groups):
            yield _matching(pa.Table.from_batches([batch]), wanted)


def _may_match(parquet: pq.ParquetFile, group: int, wanted: dict[str, int]) -> bool:
    """Whether a row group's lowest and highest values leave room for the wanted ones."""
    columns = [parquet.metadata.row_group(group).column(place) for place in range(parquet.metadata.num_columns)]
    known = {column.path_in_schema: column.statistics for column in columns if column.is_stats_set}
    return all(
        name not in known or not known[name].has_min_max or known[name].min <= value <= known[name].max
        for name, value in wanted.items()
    )


def _matching(table: pa.Table, wanted: dict[str, int]) -> pa.Table:
    for column, value in wanted.items():
        table = table.filter(pc.equal(table[column], value))
    return table
