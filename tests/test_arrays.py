"""The distinct values of an array."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recommender_job.arrays import Ints, distinct

LARGEST = np.iinfo(np.int64).max


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        ([7], [7]),
        ([3, 1, 3, 2, 1], [1, 2, 3]),
        ([0, -5, LARGEST, -LARGEST - 1, LARGEST, 0], [-LARGEST - 1, -5, 0, LARGEST]),
    ],
)
def test_each_value_is_there_once_and_they_ascend(values: list[int], expected: list[int]) -> None:
    given = np.array(values, np.int64)
    found = distinct(given)
    assert found.tolist() == expected
    assert found.dtype == np.int64
    assert given.tolist() == values, "what was given stays as it is"


def test_many_are_those_that_numpy_finds() -> None:
    values = np.random.default_rng(1).integers(-30_000, 30_000, 100_000)
    np.testing.assert_array_equal(distinct(values), np.unique(values))


def test_a_column_that_lies_in_a_file_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "ids.npy", np.array([5, 4, 5], np.int64))
    mapped: Ints = np.load(tmp_path / "ids.npy", mmap_mode="r")
    assert distinct(mapped).tolist() == [4, 5]
    assert type(distinct(mapped[:1])) is np.ndarray
