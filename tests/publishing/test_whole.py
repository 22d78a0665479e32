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
        "distinct_lists": 4, "overlap": None, "users_in_both": 0, "active_id": None,
    }  # fmt: skip


def test_by_hand(figures_of: Figures) -> None:
    # Two of three, all, none, and the one of the shorter list; 7 and 8 are in one of the two only.
    assert figures_of(FIRST, SECOND) == {
        "distinct_lists": 5, "overlap": pytest.approx((2 / 3 + 1 + 0 + 1) / 4), "users_in_both": 4, "active_id": 1,
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
    assert found["distinct_lists"] == len({frozenset(own) for own in lists.values()})
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
    [(20, 1000, 999, {}), (1, 99, 50, {}), (7, 1000, 7, {}), (1, 1000, 999, {"min_distinct_lists": 0})],
)
def test_lists_that_are_different_enough_pass(found: int, users: int, by_default: int, settings: Any) -> None:
    check_distinct(ChecksConfig(**settings), {"distinct_lists": found}, users, lambda: by_default)


def test_lists_that_are_all_alike_are_refused() -> None:
    with pytest.raises(OutputRefused, match="The 1,000 users have only 19 different lists, fewer than") as caught:
        check_distinct(ChecksConfig(), {"distinct_lists": 19}, 1000, lambda: 20)
    assert caught.value.cause.endswith("without what each has taken, would make 20.")
    assert "`checks.min_distinct_lists`" in caught.value.action


def test_two_users_who_have_both_taken_something_make_two_lists(tmp_path: Path) -> None:
    default, left_out = pd.DataFrame({"experience_id": [2, 3, 5]}), frame({1: [3], 2: [2]})
    assert lists_by_default(default, [left_out], 2, 2, tmp_path / "a") == 2
    assert lists_by_default(default, [left_out], 3, 1, tmp_path / "b") == 2


@given(
    st.permutations([2, 3, 5, 7, 11]),
    st.lists(st.tuples(st.integers(1, 6), st.sampled_from([2, 3, 5, 7, 11, 99])), max_size=20),
    st.integers(1, 5),
)
def test_the_default_list_without_what_each_has_taken(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], pairs: list[tuple[int, int]], n: int
) -> None:
    lists = {tuple([e for e in order if (user, e) not in pairs][:n]) for user in range(1, 7)}
    left_out = pd.DataFrame(pairs, columns=["user_id", "experience_id"], dtype="int64")
    parts = [left_out[left_out["user_id"] % 2 == shard] for shard in (0, 1)]
    scratch = tmp_path_factory.mktemp("default") / "lists"
    assert lists_by_default(pd.DataFrame({"experience_id": order}), parts, 6, n, scratch) == len(lists)
