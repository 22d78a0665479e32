"""Tables that are larger than memory: their columns lie in files, and stand in memory only while they are looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.run_files import batches


def rows_of(folder: RunFolder, name: str) -> int:
    """Number of rows of a Parquet file.

    Raises:
        ArtifactBroken: The file is missing or damaged.
    """
    with folder.reading(name), (folder.path / name).open("rb") as file:
        rows: int = pq.read_metadata(file).num_rows
        return rows


def mapped_frame(folder: RunFolder, name: str, local: Path) -> pd.DataFrame:
    """What `folder.read_frame` returns, with columns that lie in files; the system drops them from memory as it likes.

    Args:
        folder: The run folder.
        name: A Parquet file with numbers and moments only, and without nulls.
        local: An empty local folder, which must stay as long as the frame. It takes as much as the frame would.

    Raises:
        ArtifactBroken: The file is missing, damaged, or holds nulls.
    """
    rows = rows_of(folder, name)
    columns: dict[str, np.ndarray] = {}
    types: dict[str, pa.DataType] = {}
    start = 0
    for batch in batches(folder, name):
        with folder.reading(name):
            for field, values in zip(batch.schema, batch.columns, strict=True):
                if values.null_count:
                    raise ValueError(f"column {field.name} holds nulls")
                # Moments are numbers that their type gives a meaning.
                found = values.to_numpy(zero_copy_only=False)
                if field.name not in columns:
                    types[field.name] = field.type
                    columns[field.name] = np.memmap(local / field.name, found.dtype, "w+", shape=(rows,))
                columns[field.name][start : start + len(batch)] = found
        start += len(batch)
    arrays = [pa.Array.from_buffers(types[key], rows, [None, pa.py_buffer(column)]) for key, column in columns.items()]
    frame: pd.DataFrame = pa.table(arrays, names=list(columns)).to_pandas(split_blocks=True)  # shares the buffers
    return frame
