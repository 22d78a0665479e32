"""Ids to rows: known ids in order from 1, everything else `UNSEEN`."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_job.ranking import ids as module
from recommender_job.ranking.ids import UNSEEN, IdMap

IDS = st.integers(-(2**63), 2**63 - 1)


def test_unseen_is_row_zero_and_belongs_to_nobody() -> None:
    ids = IdMap(np.array([-5, 7, 2**62]))
    assert UNSEEN == 0
    asked = np.array([7, -5, 2**62, 0, 8, 2**63 - 1, -(2**63)])
    assert ids.encode(asked).tolist() == [2, 1, 3, 0, 0, 0, 0]
    assert ids.encode(asked).dtype == np.int32
    assert len(ids) == 3


def test_of_takes_distinct_values_in_ascending_order() -> None:
    assert IdMap.of(np.array([9, 3, 9, -1])).ids.tolist() == [-1, 3, 9]


def test_an_empty_map_knows_nobody() -> None:
    empty = IdMap.of(np.array([], np.int64))
    assert empty.encode(np.array([0, 1])).tolist() == [UNSEEN, UNSEEN]
    assert len(empty) == 0


def test_encoding_nothing_gives_nothing() -> None:
    assert IdMap(np.array([1])).encode(np.array([], np.int64)).tolist() == []


@pytest.mark.parametrize("ids", [[2, 1], [1, 1], [1, 3, 2]])
def test_ids_must_ascend_strictly(ids: list[int]) -> None:
    with pytest.raises(ValueError, match="strictly ascending"):
        IdMap(np.array(ids))


@pytest.mark.parametrize("place", range(9))
def test_ids_are_looked_at_across_the_borders_of_blocks(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 3)
    ids = np.arange(10)
    assert len(IdMap(ids)) == 10
    ids[place + 1] = ids[place]
    with pytest.raises(ValueError, match="strictly ascending"):
        IdMap(ids)


def test_looking_at_many_ids_takes_the_memory_of_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 2**12)
    many, asked = np.arange(2**20), np.array([7, 2**20])
    tracemalloc.start()
    try:
        found = IdMap(many).encode(asked)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.tolist() == [8, UNSEEN]
    assert peak < 2**16


@given(known=st.sets(IDS, min_size=1, max_size=30), asked=st.lists(IDS, max_size=30))
def test_every_known_id_has_its_own_row_and_no_other_id_has_one(known: set[int], asked: list[int]) -> None:
    ids = IdMap.of(np.array(list(known), np.int64))
    order = sorted(known)
    assert ids.encode(np.array(order, np.int64)).tolist() == list(range(1, len(order) + 1))
    expected = [order.index(i) + 1 if i in known else UNSEEN for i in asked]
    assert ids.encode(np.array(asked, np.int64)).tolist() == expected


@given(known=st.lists(st.integers(0, 40), max_size=60))
def test_ids_of_many_blocks_are_those_of_all(known: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", 4)
        patch.setattr(module, "MERGED", 3)
        assert IdMap.of(np.array(known, np.int64)).ids.tolist() == sorted(set(known))
