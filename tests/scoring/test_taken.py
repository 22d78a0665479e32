"""Pairs that users have already, as places in what is scored."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from recommender_job.scoring.taken import Taken

SOME = st.sets(st.integers(-5, 5), min_size=1)


def test_by_hand(pairs: Callable[..., pd.DataFrame]) -> None:
    rated = pairs((30, 7), (10, 9), (10, 5), (99, 5), (30, 99))
    taken = Taken.of(rated, np.array([10, 20, 30]), np.array([5, 7, 9]))
    assert sorted(taken.within(0, 3).tolist()) == [[0, 0], [0, 2], [2, 1]]
    # Places count from the block's first user.
    assert taken.within(1, 3).tolist() == [[1, 1]]
    assert taken.within(1, 2).shape == (0, 2)


def test_nobody_rated_anything(pairs: Callable[..., pd.DataFrame]) -> None:
    assert Taken.of(pairs(), np.array([1]), np.array([1])).within(0, 1).shape == (0, 2)


@given(st.data(), SOME, SOME)
def test_every_block_has_exactly_its_own_pairs(data: st.DataObject, users: set[int], experiences: set[int]) -> None:
    rated = data.draw(st.lists(st.tuples(st.integers(-6, 6), st.integers(-6, 6)), max_size=30))
    frame = pd.DataFrame(rated, columns=["user_id", "experience_id"], dtype="int64")
    people, things = np.array(sorted(users)), np.array(sorted(experiences))
    taken = Taken.of(frame, people, things)
    start = data.draw(st.integers(0, len(people)))
    stop = data.draw(st.integers(start, len(people)))
    found = {(int(people[start + u]), int(things[e])) for u, e in taken.within(start, stop)}
    assert found == {(u, e) for u, e in rated if u in people[start:stop] and e in experiences}
