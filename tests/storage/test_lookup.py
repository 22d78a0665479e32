"""Looking up the rows of some ids in a file of a run folder."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recommender_job.errors import ArtifactBroken
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.lookup import rows_among, rows_where

#: More rows than Parquet is read by at once.
MANY = 200_000


@pytest.fixture
def written(folder: RunFolder) -> pd.DataFrame:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"user_id": random.integers(-50, 50, MANY), "experience_id": np.arange(MANY), "other": 1.5})
    folder.write_table("table.parquet", frame)
    return frame


@pytest.mark.parametrize("ids", [[7], [-50, 0, 49], [-1000, 3, 60, 2**63 - 1], [-1000], [1000], list(range(-50, 50))])
def test_rows_of_many_ids_in_the_order_of_the_file(folder: RunFolder, written: pd.DataFrame, ids: list[int]) -> None:
    expected = written[written["user_id"].isin(ids)].reset_index(drop=True)
    found = rows_among(folder, "table.parquet", "user_id", np.array(ids))
    pd.testing.assert_frame_equal(found, expected)
    some = rows_among(folder, "table.parquet", "user_id", np.array(ids), columns=["experience_id", "user_id"])
    pd.testing.assert_frame_equal(some, expected[["experience_id", "user_id"]])


def test_nobody_has_no_rows(folder: RunFolder, written: pd.DataFrame) -> None:
    found = rows_among(folder, "table.parquet", "user_id", np.array([], np.int64), columns=["user_id"])
    pd.testing.assert_frame_equal(found, written[["user_id"]][:0])


def test_an_empty_file(folder: RunFolder) -> None:
    empty = pd.DataFrame({"user_id": [], "other": []}, dtype="int64")
    folder.write_table("table.parquet", empty)
    pd.testing.assert_frame_equal(rows_among(folder, "table.parquet", "user_id", np.array([1])), empty)
    some = rows_among(folder, "table.parquet", "user_id", np.array([1]), columns=["user_id"])
    pd.testing.assert_frame_equal(some, empty[["user_id"]])


def test_one_id(folder: RunFolder, written: pd.DataFrame) -> None:
    expected = written[written["user_id"] == 3].reset_index(drop=True)
    pd.testing.assert_frame_equal(rows_where(folder, "table.parquet", user_id=3), expected)


@pytest.mark.usefixtures("written")
def test_a_missing_file_or_column_is_told(folder: RunFolder) -> None:
    with pytest.raises(ArtifactBroken, match=r"gone\.parquet is not there"):
        rows_among(folder, "gone.parquet", "user_id", np.array([1]))
    with pytest.raises(ArtifactBroken, match=r"table\.parquet is damaged"):
        rows_among(folder, "table.parquet", "nothing", np.array([1]))
