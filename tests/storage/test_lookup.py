"""Looking up the rows of an id in a file of a run folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recommender_job.errors import ArtifactBroken
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.lookup import batches_where, rows_where

#: More rows than Parquet is read by at once.
MANY = 200_000


@pytest.fixture
def written(folder: RunFolder) -> pd.DataFrame:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"user_id": random.integers(-50, 50, MANY), "experience_id": np.arange(MANY), "other": 1.5})
    folder.write_table("table.parquet", frame)
    return frame


@pytest.mark.parametrize("wanted", [{"user_id": 3}, {"user_id": 1000}, {"user_id": 3, "experience_id": 71}])
def test_rows_in_the_order_of_the_file(folder: RunFolder, written: pd.DataFrame, wanted: dict[str, int]) -> None:
    own = [(written[column] == value).to_numpy() for column, value in wanted.items()]
    expected = written[np.logical_and.reduce(own)].reset_index(drop=True)
    pd.testing.assert_frame_equal(rows_where(folder, "table.parquet", **wanted), expected)


@pytest.mark.usefixtures("written")
def test_they_come_a_bounded_number_at_a_time(folder: RunFolder) -> None:
    parts = list(batches_where(folder, "table.parquet", user_id=3))
    assert len(parts) > 2
    whole = pa.concat_tables(parts).to_pandas()
    pd.testing.assert_frame_equal(whole, rows_where(folder, "table.parquet", user_id=3))
    assert max(map(len, parts)) < len(whole)


def test_row_groups_without_such_rows_are_not_read(folder: RunFolder) -> None:
    schema = pa.schema([("shard", pa.int64())])
    with folder.table_writer("table.parquet", schema) as write:
        for shard in range(5):
            write(pa.table({"shard": [shard] * 10}))
    file = Path(folder.url("table.parquet"))
    page = pq.ParquetFile(file).metadata.row_group(0).column(0)
    damaged = bytearray(file.read_bytes())
    damaged[page.dictionary_page_offset + page.total_compressed_size - 1] ^= 0xFF
    file.write_bytes(damaged)
    assert rows_where(folder, "table.parquet", shard=3)["shard"].tolist() == [3] * 10
    with pytest.raises(ArtifactBroken, match="is damaged"):
        rows_where(folder, "table.parquet", shard=0)


def test_an_empty_file(folder: RunFolder) -> None:
    empty = pd.DataFrame({"user_id": [], "other": []}, dtype="int64")
    folder.write_table("table.parquet", empty)
    pd.testing.assert_frame_equal(rows_where(folder, "table.parquet", user_id=1), empty)


@pytest.mark.usefixtures("written")
def test_a_missing_file_or_column_is_told(folder: RunFolder) -> None:
    with pytest.raises(ArtifactBroken, match=r"gone\.parquet is not there"):
        rows_where(folder, "gone.parquet", user_id=1)
    with pytest.raises(ArtifactBroken, match=r"table\.parquet is damaged"):
        rows_where(folder, "table.parquet", nothing=1)
