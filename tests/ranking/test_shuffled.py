"""Every epoch goes through every rating once, in a new order; from the disk in windows, of blocks from everywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender_job.ranking import shuffled
from recommender_job.ranking.encoded import Spill
from recommender_job.ranking.ids import IdMap
from recommender_job.ranking.shuffled import Shuffled

USERS, EXPERIENCES = IdMap(np.array([10, 20, 30])), IdMap(np.array([7]))


def ratings(count: int) -> pd.DataFrame:
    """Ratings whose value is their place."""
    users = np.array([10, 20, 30, 99])[np.arange(count) % 4]
    return pd.DataFrame({"user_id": users, "experience_id": 7, "rating": np.arange(count, dtype=np.float32)})


def windows(pairs: Shuffled, random: np.random.Generator) -> list[list[int]]:
    """Places of the ratings of each window, in its order; each has the rows that belong to it."""
    found = []
    for tensors, order in pairs.epoch(random):
        chosen = {name: values.numpy()[order.numpy()] for name, values in tensors.items()}
        places = chosen["rating"].astype(int)
        np.testing.assert_array_equal(chosen["user"], np.array([1, 2, 3, 0])[places % 4])
        np.testing.assert_array_equal(chosen["experience"], np.ones(len(places)))
        found.append(places.tolist())
    return found


@pytest.mark.parametrize("spill", [False, True])
def test_in_memory_an_epoch_is_one_window_in_numpy_s_order(tmp_path: Path, spill: bool) -> None:
    pairs = Shuffled(ratings(50), USERS, EXPERIENCES, Spill(tmp_path, 50) if spill else None)
    random = np.random.default_rng(4)
    for _ in range(2):
        (window,) = windows(pairs, random)
        expected = np.random.default_rng(4)
        orders = [expected.permutation(50).tolist() for _ in range(2)]
        assert window in orders
    assert window == orders[1]
    assert not list(tmp_path.iterdir())


@settings(max_examples=30, deadline=None)
@given(count=st.integers(1, 60), block=st.integers(1, 8), window=st.integers(1, 59), seed=st.integers(0, 99))
def test_every_rating_once_in_windows_that_fit(
    tmp_path_factory: pytest.TempPathFactory, count: int, block: int, window: int, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("spill")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shuffled, "BLOCK", block)
        pairs = Shuffled(ratings(count), USERS, EXPERIENCES, Spill(folder, window))
        assert isinstance(pairs.pairs.user, np.memmap) == (count > window)
        found = windows(pairs, np.random.default_rng(seed))
        assert found == windows(pairs, np.random.default_rng(seed))
    assert sorted(place for part in found for place in part) == list(range(count))
    assert all(len(part) <= max(window, block) for part in found)
    assert not list(folder.iterdir())


def test_windows_mix_what_lies_far_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shuffled, "BLOCK", 4)
    pairs = Shuffled(ratings(400), USERS, EXPERIENCES, Spill(tmp_path, 100))
    random = np.random.default_rng(0)
    first, second = windows(pairs, random), windows(pairs, random)
    assert [len(part) for part in first] == [100] * 4
    for part in first:
        assert {place // 100 for place in part} == {0, 1, 2, 3}  # from every quarter of the file
        assert part != sorted(part)
        neighbours = np.diff(part)
        assert np.mean(neighbours == 1) < 0.1  # blocks do not stay together
    assert {frozenset(part) for part in first} != {frozenset(part) for part in second}
