"""The lists of a night as a whole: how many are different, and how much of them was live before."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_job.errors import OutputRefused
from recommender_job.publishing.whole import Whole, check_distinct, check_overlap, lists_by_default
from recommender_job.safeguards import ChecksConfig

#: Lists by user, best first. Of those, two of FIRST hold the same experiences.
FIRST = {1: [10, 20, 30], 2: [30, 10, 20], 3: [10, 20, 40], 4: [50], 7: [10]}
SECOND = {1: [30, 99, 10], 2: [10, 20, 30], 3: [70, 80, 90], 4: [60, 50, 10], 8: [10]}


def frame(lists: dict[int, list[int]], shard: int | None = None) -> pd.DataFrame:
    rows = [(user, one) for user, own in lists.items() for one in own if shard is None or user % 2 == shard]
    return pd.DataFrame(rows, columns=["user_id", "experience_id"], dtype="int64")


@pytest.fixture(params=[[None], [0, 1]], ids=["at once", "in parts"])
def figures_of(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """The figures of lists, beside those that are active."""

    def work(active: dict[int, list[int]] | None, lists: dict[int, list[int]]) -> dict[str, Any]:
        whole = Whole(tmp_path / uuid.uuid4().hex)
        for shard in request.param:
            whole.add(frame(lists, shard), frame(active or {}, shard))
        return whole.figures(None if active is None else 1)

    return work


Figures = Callable[..., dict[str, Any]]


def test_where_nothing_is_active(figures_of: Figures) -> None:
    assert figures_of(None, FIRST) == {
        "users": 5, "distinct_lists": 4, "overlap": None, "users_in_both": 0, "active_id": None,
    }  # fmt: skip


def test_by_hand(figures_of: Figures) -> None:
    # Two of three, all, none, and the one of the shorter list; 7 and 8 are in one of the two only.
    overlap = pytest.approx((2 / 3 + 1 + 0 + 1) / 4)
    assert figures_of(FIRST, SECOND) == {
        "users": 5, "distinct_lists": 5, "overlap": overlap, "users_in_both": 4, "active_id": 1,
    }  # fmt: skip


def test_nobody_is_in_both(figures_of: Figures) -> None:
    figures = figures_of({5: [10]}, FIRST)
    assert (figures["overlap"], figures["users_in_both"], figures["active_id"]) == (None, 0, 1)


def test_of_some_of_the_users_all_are_reckoned(tmp_path: Path) -> None:
    whole = Whole(tmp_path / "whole")
    whole.add(frame(FIRST), frame({1: [10, 20, 99], 8: [10]}))
    figures = whole.figures(1, share=0.25)
    assert (figures["overlap"], figures["users_in_both"]) == (pytest.approx(2 / 3), 4)


def test_lists_of_another_length_are_compared_by_the_shorter(figures_of: Figures) -> None:
    assert figures_of({1: [10, 20, 30, 40]}, {1: [40, 10]})["overlap"] == 1


def test_longer_lists_too(figures_of: Figures) -> None:
    assert figures_of({1: [40, 10]}, {1: [10, 20, 30, 99]})["overlap"] == 0.5


LISTS = st.dictionaries(st.integers(-2, 6), st.lists(st.sampled_from([2, 3, 5, -7]), unique=True, min_size=1))


@given(LISTS, LISTS)
def test_whatever_the_lists(tmp_path_factory: pytest.TempPathFactory, lists: Any, active: Any) -> None:
    whole = Whole(tmp_path_factory.mktemp("whole") / "lists")
    for shard in (0, 1):
        whole.add(frame(lists, shard), frame(active, shard))
    found = whole.figures(1)
    assert (found["users"], found["distinct_lists"]) == (len(lists), len({frozenset(own) for own in lists.values()}))
    both = lists.keys() & active.keys()
    shares = [len({*lists[u]} & {*active[u]}) / min(len(lists[u]), len(active[u])) for u in both]
    assert found["users_in_both"] == len(both)
    assert found["overlap"] == (pytest.approx(sum(shares) / len(both)) if both else None)


def overlapping(overlap: float | None, users: int = 100) -> dict[str, Any]:
    return {"overlap": overlap, "users_in_both": users, "active_id": 7}


@pytest.mark.parametrize("figures", [overlapping(0.05), overlapping(1.0), overlapping(0.0, 99), overlapping(None, 0)])
def test_lists_that_are_like_the_last_ones_pass(figures: dict[str, Any]) -> None:
    check_overlap(ChecksConfig(), figures)
    check_overlap(ChecksConfig(min_overlap=0), {**figures, "overlap": 0.0})


def test_lists_that_have_nothing_to_do_with_the_last_ones_are_refused() -> None:
    with pytest.raises(
        OutputRefused, match=r"On average 4\.90% of a list is in the user's list .* publication 7"
    ) as caught:
        check_overlap(ChecksConfig(), overlapping(0.049))
    assert "(100 users have both), less than checks.min_overlap 0.05." in caught.value.cause
    assert "`checks.min_overlap`" in caught.value.action


@pytest.mark.parametrize(
    ("found", "users", "by_default", "settings"),
    [(20, 1000, 999, {}), (1, 99, 50, {}), (7, 1000, 14, {}), (1, 1000, 999, {"min_distinct_lists": 0})],
)
def test_lists_that_are_different_enough_pass(found: int, users: int, by_default: int, settings: Any) -> None:
    check_distinct(ChecksConfig(**settings), {"distinct_lists": found, "users": users}, lambda: by_default)


def test_lists_that_are_all_alike_are_refused() -> None:
    with pytest.raises(OutputRefused, match="The 1,000 users with a list have only 19 different ones, few") as caught:
        check_distinct(ChecksConfig(), {"distinct_lists": 19, "users": 1000}, lambda: 39)
    assert caught.value.cause.endswith(
        "not half of the 39 that the default list would make without what each has taken."
    )
    assert "`checks.min_distinct_lists`" in caught.value.action


def ordered(order: list[int], group: dict[int, int] | None = None) -> pd.DataFrame:
    """An order; each experience in a group of its own unless it is told."""
    return pd.DataFrame({"experience_id": order, "group": [(group or {}).get(one, one) for one in order]})


def test_two_users_who_have_both_taken_something_make_two_lists(tmp_path: Path) -> None:
    order, left_out = ordered([2, 3, 5]), frame({1: [3], 2: [2]})
    assert lists_by_default(order, [left_out], 2, 2, tmp_path / "a") == 2
    assert lists_by_default(order, [left_out], 3, 1, tmp_path / "b") == 2


def test_who_has_taken_everything_has_no_list(tmp_path: Path) -> None:
    order, left_out = ordered([2, 3, 5]), frame({1: [3, 5, 2], 2: [2, 99]})
    assert lists_by_default(order, [left_out], 2, 5, tmp_path / "a") == 1
    assert lists_by_default(order, [left_out], 3, 5, tmp_path / "b") == 2


def test_a_cap_leaves_fewer_different_lists(tmp_path: Path) -> None:
    order = ordered(list(range(6)), {one: one % 2 for one in range(6)})
    left_out = frame({user: [user] for user in range(6)})
    assert lists_by_default(order, [left_out], 6, 2, tmp_path / "a", max_per_group=1) == 3
    assert lists_by_default(order, [left_out], 6, 6, tmp_path / "b") == 6


@given(
    st.permutations([2, 3, 5, 7, 11]),
    st.lists(st.tuples(st.integers(1, 6), st.sampled_from([2, 3, 5, 7, 11, 99])), max_size=30),
    st.integers(1, 5),
    st.sampled_from([None, 1, 2]),
)
def test_the_default_list_without_what_each_has_taken(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], pairs: list[tuple[int, int]], n: int, cap: int | None
) -> None:
    group = {2: 0, 3: 1, 5: 0, 7: 1, 11: 0}

    def walked(user: int) -> tuple[int, ...]:
        own: list[int] = []
        for one in order:
            of_its_group = [other for other in own if group[other] == group[one]]
            if len(own) < n and (user, one) not in pairs and (cap is None or len(of_its_group) < cap):
                own.append(one)
        return tuple(own)

    left_out = pd.DataFrame(pairs, columns=["user_id", "experience_id"], dtype="int64")
    parts = [left_out[left_out["user_id"] % 2 == shard] for shard in (0, 1)]
    scratch = tmp_path_factory.mktemp("default") / "lists"
    found = lists_by_default(ordered(order, group), parts, 6, n, scratch, max_per_group=cap)
    assert found == len({walked(user) for user in range(1, 7)} - {()})
