"""The same rows in the same order have the same checksum, however they are cut; others have another one."""

from __future__ import annotations

import itertools

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.checksum import Checksum, checksum

TABLE = pa.table(
    {"user_id": [1, 2, 3], "rank": pa.array([1, 2, 3], pa.int16()), "rating": pa.array([1.5, 2, 3], pa.float32())}
)


@given(st.lists(st.integers(0, 3)).map(sorted))
def test_however_it_is_cut(places: list[int]) -> None:
    whole, ends = Checksum(), [0, *places, 3]
    for start, end in itertools.pairwise(ends):
        whole.add(TABLE.slice(start, end - start))
    assert whole.text == checksum(TABLE)
    assert len(whole.text) == 24


@pytest.mark.parametrize(
    "other",
    [
        TABLE.slice(0, 2),
        TABLE.take([1, 0, 2]),
        TABLE.set_column(0, "user_id", [[1, 2, 4]]),
        TABLE.set_column(2, "rating", pa.array([1.5, 2, 3.000001], pa.float32())),
    ],
)
def test_other_rows(other: pa.Table) -> None:
    assert checksum(other) != checksum(TABLE)


@pytest.mark.parametrize("table", [TABLE, TABLE.slice(0, 0)])
def test_through_a_file(folder: RunFolder, table: pa.Table) -> None:
    folder.write_table("a.parquet", table)
    assert checksum(folder.read_table("a.parquet")) == checksum(table)
