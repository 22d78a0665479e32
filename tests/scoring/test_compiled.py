"""Compiled loops, by themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

CODE = """
import numpy as np
from recommender_job.scoring.compiled.pairs import leave_out
values = np.zeros((2, 3), np.float32)
begins, experiences = np.array([0, 2, 3, 5]), np.array([9, 12, 11, 10, 13], np.int32)
leave_out(values, begins, experiences, np.array([0, 2]), 10)
print(values.tolist())
"""


@pytest.mark.parametrize("together", [1, 7, 64])
def test_rows_are_added_up_as_numpy_does(together: int) -> None:
    """To the bit, also of more columns than are added up at once; somebody has no rows."""
    from recommender_job.scoring.compiled.rows import add_rows

    random = np.random.default_rng(0)
    matrix = random.standard_normal((50, 5000)).astype(np.float32)
    ends = np.cumsum([3, 0, 130, 64, 65, 1])
    begins, rows = np.concatenate([[0], ends[:-1]]), random.integers(0, 50, ends[-1])
    expected = random.standard_normal((6, 5010)).astype(np.float32)
    out = expected.copy()
    for row, begin, end in zip(expected[:, 3:-7], begins, ends, strict=True):
        for part in range(begin, end, together):
            row += np.add.reduce(matrix[rows[part : min(part + together, end)]], axis=0)
    add_rows(out[:, 3:-7], matrix, begins, ends, rows, together)
    np.testing.assert_array_equal(out, expected)


def test_experiences_are_put_where_their_users_are() -> None:
    """Of a user, one after the other."""
    from recommender_job.scoring.compiled.pairs import count, put

    random = np.random.default_rng(0)
    users, experiences = random.integers(0, 40, 3000), random.integers(0, 70, 3000)
    counts, out = np.ones(40, np.int64), np.empty(3000, np.int32)
    for rows in (slice(0, 1000), slice(1000, 1000), slice(1000, 3000)):
        count(users[rows] << 32 | experiences[rows], counts)
    counts -= 1
    np.testing.assert_array_equal(counts, np.bincount(users, minlength=40))
    places = counts.cumsum() - counts
    for rows in (slice(0, 1000), slice(1000, 1000), slice(1000, 3000)):
        put(users[rows] << 32 | experiences[rows], places, out)
    np.testing.assert_array_equal(out, experiences[np.argsort(users, kind="stable")])
    np.testing.assert_array_equal(places, counts.cumsum())


@pytest.mark.parametrize("users", [[0], [3, 4, 5], [2, 7, 20], [39]])
@pytest.mark.parametrize("first", [0, 20, 69])
def test_what_users_may_not_have_is_left_out(users: list[int], first: int) -> None:
    """Of users next to one another and far apart, first, last and without a pair; of a stretch of experiences."""
    from recommender_job.scoring.compiled.pairs import leave_out

    random = np.random.default_rng(0)
    counts = random.integers(0, 9, 40)
    counts[[4, 7]] = 0
    begins, experiences = np.append(0, counts.cumsum()), random.integers(0, 70, counts.sum()).astype(np.int32)
    values = np.zeros((len(users), 30), np.float32)
    leave_out(values, begins, experiences, np.array(users), first)
    found = {(users[row], first + int(column)) for row, column in np.argwhere(values == -np.inf)}
    pairs = {(user, int(one)) for user in users for one in experiences[begins[user] : begins[user + 1]]}
    assert found == {(user, one) for user, one in pairs if first <= one < first + 30}
    nothing = np.zeros((1, 2), np.float32)
    leave_out(nothing, np.zeros(2, np.int64), np.zeros(0, np.int32), np.array([0]), 0)
    assert not nothing.any()


@pytest.mark.parametrize("kept", [True, False])
def test_what_is_compiled_is_kept_where_a_folder_can_be_written_to(tmp_path: Path, kept: bool) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "NUMBA_CACHE_DIR": str(tmp_path)}
    if not kept:  # that Python has no source to look beside stands for folders that are read-only, as root has none
        environment["NUMBA_CACHE_LOCATOR_CLASSES"] = "ZipCacheLocator"
    told = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[[0.0, 0.0, -inf], [-inf, 0.0, 0.0]]"
    assert bool(list(tmp_path.rglob("*.nbc"))) == kept
