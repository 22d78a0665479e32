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
keys = np.array([5 << 32 | 9, 5 << 32 | 12, 6 << 32 | 11, 7 << 32 | 10, 7 << 32 | 13])
leave_out(values, keys, np.array([5, 7]), 10)
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


def test_pairs_are_put_in_the_order_of_their_users() -> None:
    from recommender_job.scoring.compiled.pairs import by_user

    random = np.random.default_rng(0)
    keys = random.integers(0, 40, 3000) << 32 | random.integers(0, 70, 3000)
    np.testing.assert_array_equal(by_user(keys, 40), keys[np.argsort(keys >> 32, kind="stable")])
    assert len(by_user(np.zeros(0, np.int64), 40)) == 0


@pytest.mark.parametrize("users", [[0], [3, 4, 5], [2, 7, 20], [39], [40, 41]])
@pytest.mark.parametrize("first", [0, 20, 69])
def test_what_users_may_not_have_is_left_out(users: list[int], first: int) -> None:
    """Of users next to one another and far apart, first, last and without a pair; of a stretch of experiences."""
    from recommender_job.scoring.compiled.pairs import leave_out

    random = np.random.default_rng(0)
    pairs = np.sort(random.integers(0, 40, 300)) << 32 | random.integers(0, 70, 300)
    values = np.zeros((len(users), 30), np.float32)
    leave_out(values, pairs, np.array(users), first)
    expected = {(int(key >> 32), int(key & 0xFFFFFFFF)) for key in pairs}
    found = {(users[row], first + int(column)) for row, column in np.argwhere(values == -np.inf)}
    assert found == {(user, one) for user, one in expected if user in users and first <= one < first + 30}
    nothing = np.zeros((1, 2), np.float32)
    leave_out(nothing, np.zeros(0, np.int64), np.array([0]), 0)
    assert not nothing.any()


@pytest.mark.parametrize("kept", [True, False])
def test_what_is_compiled_is_kept_where_a_folder_can_be_written_to(tmp_path: Path, kept: bool) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "NUMBA_CACHE_DIR": str(tmp_path)}
    if not kept:  # that Python has no source to look beside stands for folders that are read-only, as root has none
        environment["NUMBA_CACHE_LOCATOR_CLASSES"] = "ZipCacheLocator"
    told = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[[0.0, 0.0, -inf], [-inf, 0.0, 0.0]]"
    assert bool(list(tmp_path.rglob("*.nbc"))) == kept
