"""Pairs that users have already, as places in what is scored."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_job.scoring import taken as module
from recommender_job.scoring.taken import Taken

SOME = st.sets(st.integers(-5, 5), min_size=1)
#: Ids close together and far apart, and the ends of what the database takes.
IDS = st.sampled_from([-(2**63), -6, -5, -1, 0, 1, 2, 3, 5, 8, 2**62, 2**63 - 2, 2**63 - 1])


def places(taken: Taken, start: int, stop: int) -> list[tuple[int, int]]:
    return [(int(user), int(experience)) for user, experience in zip(*taken.within(start, stop), strict=True)]


def test_by_hand(pairs: Callable[..., pd.DataFrame]) -> None:
    rated = pairs((30, 7), (10, 9), (10, 5), (99, 5), (30, 99))
    taken = Taken.of([rated], np.array([10, 20, 30]), np.array([5, 7, 9]))
    assert places(taken, 0, 3) == [(0, 0), (0, 2), (2, 1)]
    # Places count from the block's first user.
    assert places(taken, 1, 3) == [(1, 1)]
    assert places(taken, 1, 2) == []


def test_pairs_of_two_frames_and_pairs_that_repeat_count_once(pairs: Callable[..., pd.DataFrame]) -> None:
    frames = pairs((20, 5), (20, 5)), pairs((20, 5), (10, 7))
    taken = Taken.of(frames, np.array([10, 20]), np.array([5, 7]))
    assert places(taken, 0, 2) == [(0, 1), (1, 0)]


def test_nobody_rated_anything(pairs: Callable[..., pd.DataFrame]) -> None:
    assert places(Taken.of([pairs()], np.array([1]), np.array([1])), 0, 1) == []


@pytest.mark.parametrize("rows", [1, 7, module.ROWS])
@pytest.mark.parametrize("threads", [1, 2, 100])
@pytest.mark.parametrize("compiled", [False, True])
def test_rows_that_are_looked_up_a_few_at_a_time(
    monkeypatch: pytest.MonkeyPatch, rows: int, threads: int, compiled: bool
) -> None:
    monkeypatch.setattr(module, "ROWS", rows)
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"user_id": random.integers(0, 30, 313), "experience_id": random.integers(0, 9, 313)})
    taken = Taken.of([frame[:30], frame[30:]], np.arange(30), np.arange(9), threads, compiled=compiled)
    np.testing.assert_array_equal(np.diff(taken.begins), np.bincount(frame["user_id"], minlength=30))
    assert places(taken, 3, 20) == sorted({(u - 3, e) for u, e in frame.to_numpy().tolist() if 3 <= u < 20})


@given(st.data(), st.sets(IDS, min_size=1) | SOME, st.sets(IDS, min_size=1) | SOME)
def test_every_block_has_exactly_its_own_pairs(data: st.DataObject, users: set[int], experiences: set[int]) -> None:
    rated = data.draw(st.lists(st.tuples(IDS, IDS), max_size=30))
    frame = pd.DataFrame(rated, columns=["user_id", "experience_id"], dtype="int64")
    people, things = np.array(sorted(users)), np.array(sorted(experiences))
    threads, compiled = data.draw(st.integers(1, 3), "threads"), data.draw(st.booleans(), "compiled")
    taken = Taken.of([frame], people, things, threads, compiled=compiled)
    start = data.draw(st.integers(0, len(people)))
    stop = data.draw(st.integers(start, len(people)))
    found = {(int(people[start + u]), int(things[e])) for u, e in places(taken, start, stop)}
    assert found == {(u, e) for u, e in rated if u in people[start:stop] and e in experiences}
