"""Rows set apart on the disk: all of them, each in its bucket, in the order in which they came."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_job.errors import StorageFailed
from recommender_job.storage.buckets import Buckets, ascending

ROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(-(2**63), 2**63 - 1), st.integers(0, 9)), max_size=30)


@given(st.lists(ROWS, max_size=3))
def test_every_row_is_in_its_bucket(tmp_path_factory: pytest.TempPathFactory, parts: list[list[tuple]]) -> None:
    buckets = Buckets(tmp_path_factory.mktemp("some") / "rows", 5, ["user_id", "experience_id"])
    for part in parts:
        buckets.add(*np.array(part, np.int64).reshape(-1, 3).T)
    for number in range(5):
        found = buckets.read(number)
        assert list(found.columns) == ["user_id", "experience_id"]
        assert set(found.dtypes) == {np.dtype("int64")}
        expected = [row[1:] for part in parts for row in part if row[0] == number]
        assert [tuple(row) for row in found.to_numpy().tolist()] == expected


def test_a_place_that_is_taken_is_no_place(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        Buckets(tmp_path, 5, ["user_id"])


@pytest.mark.parametrize("damage", ["gone", "all gone", "shorter"])
def test_rows_that_somebody_has_taken_away_are_not_no_rows(tmp_path: Path, damage: str) -> None:
    buckets = Buckets(tmp_path / "rows", 2, ["user_id"])
    buckets.add(np.array([0, 0]), np.array([7, 8]))
    if damage == "shorter":
        (tmp_path / "rows" / "0").write_bytes(bytes(8))
    elif damage == "gone":
        (tmp_path / "rows" / "0").unlink()
    else:
        shutil.rmtree(tmp_path / "rows")
    with pytest.raises(StorageFailed, match="rows/0 was removed or changed by another process") as caught:
        buckets.read(0)
    assert "Retry" in caught.value.action
    assert len(buckets.read(1)) == 0


def test_rows_in_use_are_not_left_behind(tmp_path: Path) -> None:
    buckets = Buckets(tmp_path / "rows", 1, ["user_id"])
    buckets.add(np.array([0]), np.array([7]))
    os.utime(tmp_path / "rows" / "0", (0, 0))
    buckets.read(0)
    assert (tmp_path / "rows" / "0").stat().st_mtime > 0


@given(st.lists(st.one_of(st.integers(-3, 3), st.integers(-(2**17), 2**17), st.integers(-(2**63), 2**63 - 1))))
def test_values_ascend_and_equal_ones_stay_as_they_stand(values: list[int]) -> None:
    found = ascending(np.array(values, np.int64))
    assert found.tolist() == sorted(range(len(values)), key=values.__getitem__)
