"""Lists under rules: pinned experiences, caps of groups, opt-outs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender_job.config import load_config
from recommender_job.ranking.bias import BiasModel
from recommender_job.ranking.ids import IdMap
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.relevance import RelevanceModel
from recommender_job.scoring.lists import configured_lists
from recommender_job.scoring.rules import Rules
from tests.scoring.reference import brute_force, listed, some_rated

Asked = tuple[np.ndarray, np.ndarray]
Wanted = Callable[..., RelevanceModel]
KINDS = ["interactions", "factors", "popularity"]
EIGHT = np.arange(1, 9)


def ruled(group: Any, cap: int | None = None, pins: Any = ()) -> Rules:
    return Rules(np.array(group, np.int64), np.array(pins, np.int64), cap)


@pytest.fixture
def descending() -> Predictor:
    """Predicts 4.75 for experience 1, and a quarter less for each that follows, for everybody."""
    bias = BiasModel(IdMap(np.array([7])), IdMap(EIGHT), 5.0, np.zeros(2), np.concatenate([[0.0], EIGHT / -4]))
    return Predictor((), (1.0, bias))


@pytest.fixture
def shown(descending: Predictor, pairs: Callable[..., pd.DataFrame]) -> Callable[..., list[int]]:
    """Makes user 7's list of three by predicted rating alone."""

    def make(rules: Rules, rated: tuple[int, ...] = (), n: int = 3, opt_outs: pd.DataFrame | None = None) -> list[int]:
        own = pairs(*((7, e) for e in rated))
        found = listed(descending, np.array([7]), EIGHT, own, n, rules=rules, opt_outs=opt_outs)
        assert [row[1] for row in found] == list(range(1, len(found) + 1))
        assert [row[3] for row in found] == [5 - row[2] / 4 for row in found]
        return [row[2] for row in found]

    return make


def test_the_cap_skips_and_the_list_stays_full(shown: Callable[..., list[int]]) -> None:
    group = [0, 0, 0, 0, 1, 1, 2, 3]
    assert shown(ruled(group)) == [1, 2, 3]
    assert shown(ruled(group, 3)) == [1, 2, 3]
    assert shown(ruled(group, 2)) == [1, 2, 5]
    assert shown(ruled(group, 1)) == [1, 5, 7]
    assert shown(ruled(group, 1), rated=(1,)) == [2, 5, 7]
    assert shown(ruled(group, 1), n=8) == [1, 5, 7, 8]
    # Groups of different sizes, and the first experience in none of them.
    assert shown(ruled([4, 0, 0, 1, 1, 1, 2, 3], 1), n=8) == [1, 2, 4, 7, 8]


def test_pinned_ones_stand_in_front_in_their_order_and_with_their_own_prediction(
    shown: Callable[..., list[int]],
) -> None:
    alone = range(8)
    assert shown(ruled(alone, pins=[7, 3])) == [8, 4, 1]
    assert shown(ruled(alone, pins=[7, 3]), rated=(8,)) == [4, 1, 2]
    assert shown(ruled(alone, pins=[7, 0])) == [8, 1, 2]
    assert shown(ruled(alone, pins=[7, 6, 5, 4])) == [8, 7, 6]
    assert shown(ruled(alone, pins=[7, 6, 5, 4]), rated=(7,)) == [8, 6, 5]
    assert shown(ruled(alone, pins=[0, 1, 2, 3, 4, 5, 6, 7]), n=8) == EIGHT.tolist()


def test_pinned_ones_count_toward_their_group(shown: Callable[..., list[int]]) -> None:
    group = [0, 0, 0, 0, 1, 1, 2, 0]
    assert shown(ruled(group, 1, pins=[7])) == [8, 5, 7]
    assert shown(ruled(group, 2, pins=[7])) == [8, 1, 5]
    # Of two pinned ones of a group the first that the user can have stays.
    assert shown(ruled(group, 1, pins=[7, 3])) == [8, 5, 7]
    assert shown(ruled(group, 1, pins=[7, 3]), rated=(8,)) == [4, 5, 7]
    assert shown(ruled(group, 1, pins=[7, 3, 5]), rated=(8,)) == [4, 6, 7]


def test_opt_outs_are_left_out_also_of_the_pinned(
    shown: Callable[..., list[int]], pairs: Callable[..., pd.DataFrame]
) -> None:
    opt_outs = pairs((7, 1), (7, 8), (9, 2), (7, 99))
    assert shown(ruled(range(8)), opt_outs=opt_outs) == [2, 3, 4]
    assert shown(ruled(range(8), pins=[7, 4]), opt_outs=opt_outs) == [5, 2, 3]
    assert shown(ruled([0, 0, 0, 1, 1, 1, 1, 1], 1), rated=(2,), opt_outs=opt_outs) == [3, 4]


def test_an_opt_out_is_no_sign_of_taste(
    several: Predictor, wanted: Wanted, asked: Asked, pairs: Callable[..., pd.DataFrame]
) -> None:
    relevance, rated = wanted("interactions"), some_rated(*asked)
    without = listed(several, *asked, rated, 3, relevance=relevance, candidates=3)
    # 99 is not offered, but relevance knows it: rating it changes a list, opting out of it does not.
    opt_outs = pairs(*((user, 99) for user in asked[0].tolist()))
    assert listed(several, *asked, rated, 3, relevance=relevance, candidates=3, opt_outs=opt_outs) == without
    more = pd.concat([rated, opt_outs])
    assert listed(several, *asked, more, 3, relevance=relevance, candidates=3) != without


@pytest.mark.parametrize("by_relevance", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_rules_that_bind_nobody_change_nothing(
    several: Predictor, wanted: Wanted, asked: Asked, kind: str, by_relevance: bool
) -> None:
    rated, relevance = some_rated(*asked), wanted(kind)
    for rules in (ruled(range(10), 1), ruled([0] * 10, 10), ruled([3] * 10)):
        found = listed(several, *asked, rated, 4, 50, relevance, 6, by_relevance, rules)
        assert found == listed(several, *asked, rated, 4, 50, relevance, 6, by_relevance)


@pytest.mark.parametrize("settings", [{}, {"candidates_per_user": "all"}, {"order_by": "relevance"}])
def test_rules_apply_only_where_they_are_given(
    several: Predictor, wanted: Wanted, asked: Asked, settings: dict[str, str]
) -> None:
    rules = ruled([0] * 5 + [1] * 5, 1, pins=[6])
    plain = load_config({"top_n": 3, **settings})
    config = load_config({"top_n": 3, "rules.max_per_group": 1, "rules.pinned": "10", **settings})
    ask = (several, wanted("factors"), *asked, some_rated(*asked))
    with_rules = configured_lists(config, *ask, n=3, rules=rules)
    assert with_rules["rank"].max() == 2
    pd.testing.assert_frame_equal(configured_lists(config, *ask, n=3), configured_lists(plain, *ask, n=3))


@pytest.mark.parametrize(
    ("group", "kind", "by_relevance"),
    [
        ([0, 0, 0, 0, 0, 1, 1, 2, 2, 2], None, False),
        ([0] * 9 + [1], "factors", False),
        ([0, 1, 0, 1, 0, 1, 0, 1, 2, 3], "interactions", True),
    ],
)
def test_blocks_agree_with_pair_by_pair(
    several: Predictor, wanted: Wanted, asked: Asked, group: list[int], kind: str | None, by_relevance: bool
) -> None:
    rated, relevance = some_rated(*asked), wanted(kind) if kind else None
    rules, opt_outs = ruled(group, 2, [9, 1]), rated.iloc[::-5]
    expected = brute_force(several, *asked, rated, 4, relevance, 5, by_relevance, rules, opt_outs)
    for block_pairs in (50, 10_000):
        found = listed(several, *asked, rated, 4, block_pairs, relevance, 5, by_relevance, rules, opt_outs)
        assert found == expected


@settings(deadline=None)
@given(data=st.data())
def test_whatever_the_rules(several: Predictor, wanted: Wanted, asked: Asked, data: st.DataObject) -> None:
    users, experiences = asked[0][::3], asked[1]
    cap = data.draw(st.none() | st.integers(1, 4), "cap")
    group = data.draw(st.lists(st.integers(0, 4), min_size=10, max_size=10), "group")
    pins = data.draw(st.lists(st.integers(0, 9), unique=True, max_size=5), "pins")
    some = st.lists(st.tuples(st.sampled_from(users.tolist()), st.sampled_from(experiences.tolist())), max_size=25)
    rated, opt_outs = (
        pd.DataFrame(data.draw(some, name), columns=["user_id", "experience_id"], dtype="int64")
        for name in ("rated", "opt_outs")
    )
    kind = data.draw(st.sampled_from([None, *KINDS]), "relevance")
    n, more = data.draw(st.integers(1, 10), "n"), data.draw(st.integers(0, 6), "more")
    by_relevance = kind is not None and data.draw(st.booleans(), "by_relevance")
    rules = Rules(np.array(group), np.array(pins, np.int64), cap)
    relevance = wanted(kind) if kind else None
    ask = (several, users, experiences, rated, n)
    found = listed(*ask, 20, relevance, n + more, by_relevance, rules, opt_outs)
    assert found == brute_force(*ask, relevance, n + more, by_relevance, rules, opt_outs)
