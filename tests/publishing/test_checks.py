"""Every rule of the table contract is held, and a good set of lists passes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender_job.errors import OutputRefused
from recommender_job.publishing.checks import check_lists, check_plan
from recommender_job.publishing.sides import Side
from tests.publishing.contracts import EXPERIENCES, contract, frame

USERS = np.array([1, 2, 3])
#: User 1 has rated 10, user 2 three of four, user 3 only what is no longer offered.
RATED = pd.DataFrame({"user_id": [1, 2, 2, 2, 2, 3], "experience_id": [10, 10, 10, 20, 30, 99]})
NOTHING = RATED.head(0)
GOOD = [
    (1, 1, 30, 5.0),
    (1, 2, 20, 1.0),
    (2, 1, 40, 3.5),
    (3, 1, 10, 4.0),
    (3, 2, 30, 4.0),
]


def check(
    rows: list[tuple[Any, ...]],
    users: np.ndarray = USERS,
    rated: pd.DataFrame = RATED,
    opt_outs: pd.DataFrame = NOTHING,
    **rules: Any,
) -> None:
    check_lists(frame(rows), users, rated, opt_outs, contract(**rules))


def refusal(*arguments: Any, **rules: Any) -> str:
    with pytest.raises(OutputRefused) as caught:
        check(*arguments, **rules)
    assert caught.value.action.startswith("Nothing was switched. Clear `plan_shards`")
    return caught.value.cause


def with_row(place: int, *row: Any) -> list[tuple[Any, ...]]:
    return [*GOOD[:place], row, *GOOD[place + 1 :]]


def test_a_good_set_passes() -> None:
    check(GOOD)


def test_nothing_rated_at_all_passes() -> None:
    check([(u, r, 10 * r, 3.0) for u in (1, 2, 3) for r in (1, 2)], rated=NOTHING)


def test_a_user_who_has_rated_everything_has_no_list() -> None:
    rated = pd.DataFrame({"user_id": [1] * 4, "experience_id": EXPERIENCES})
    check([], users=np.array([1]), rated=rated)


LENGTH = "has a list of the wrong length"
SCALE = "has a predicted rating outside the scale"
RANKS = "has ranks that do not run 1, 2, 3 …"
BROKEN = {
    "too short": (GOOD[:1] + GOOD[2:], f"1 users break the contract; each {LENGTH}: user 1 (1 rows instead of 2)."),
    "missing": (GOOD[2:], f"{LENGTH}: user 1 (0 rows instead of 2)."),
    "longer than N": ([*GOOD, (3, 3, 20, 3.0)], f"{LENGTH}: user 3 (3 rows instead of 2)."),
    "nobody has one": ([], f"3 users break the contract; each {LENGTH}: user 1 (0 rows instead of 2), user 2 (0 rows"),
    "foreign user": ([*GOOD, (4, 1, 10, 3.0)], "in this shard: user 4 (rank 1: experience 10, 3)."),
    "rank gap": (with_row(1, 1, 3, 20, 1.0), f"{RANKS}: user 1 (rank 3: experience 20, 1)."),
    "rank from zero": (
        [(1, 0, 30, 5.0), (1, 1, 20, 1.25), *GOOD[2:]],
        f"{RANKS}: user 1 (rank 0: experience 30, 5; rank 1: experience 20, 1.25).",
    ),
    "rank twice": (with_row(1, 1, 1, 20, 1.0), f"{RANKS}: user 1 (rank 1: experience 20, 1)."),
    "experience twice": (
        with_row(1, 1, 2, 30, 1.0),
        "has an experience twice: user 1 (rank 1: experience 30, 5; rank 2: experience 30, 1).",
    ),
    "not eligible": (with_row(4, 3, 2, 99, 4.0), "not eligible or is excluded: user 3 (rank 2: experience 99, 4)."),
    "rated": (with_row(0, 1, 1, 10, 5.0), "that the user has rated: user 1 (rank 1: experience 10, 5)."),
    "above the scale": (with_row(0, 1, 1, 30, 5.01), f"{SCALE}: user 1 (rank 1: experience 30, 5.01)."),
    "below the scale": (with_row(1, 1, 2, 20, 0.99), f"{SCALE}: user 1 (rank 2: experience 20, 0.99)."),
    "no number": (with_row(2, 2, 1, 40, np.nan), f"{SCALE}: user 2 (rank 1: experience 40, nan)."),
    "no end": (with_row(2, 2, 1, 40, np.inf), f"{SCALE}: user 2 (rank 1: experience 40, inf)."),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_set_is_refused(name: str) -> None:
    rows, message = BROKEN[name]
    assert message in refusal(rows)


def test_opt_outs_are_left_out_like_rated_ones() -> None:
    opt_outs = pd.DataFrame({"user_id": [1, 1, 3, 2, 9], "experience_id": [20, 10, 99, 40, 10]})
    assert "that the user has opted out of: user 1 (rank 2: experience 20, 1), user 2 (" in refusal(
        GOOD, opt_outs=opt_outs
    )
    # User 2 has nothing left, user 1 has two: 10 is both rated and opted out of.
    check([(1, 1, 30, 5.0), (1, 2, 40, 1.0), *GOOD[3:]], opt_outs=opt_outs)


def test_the_cap_of_groups_shortens_only_where_no_other_group_is_left() -> None:
    groups = [0, 0, 0, 1]
    assert refusal(GOOD, group=groups, cap=1) == (
        "2 users break the contract; each has too many experiences of a group: user 1 (rank 2: experience 20, 1),"
        " user 3 (rank 2: experience 30, 4)."
    )
    good = [(1, 1, 30, 5.0), (1, 2, 40, 1.0), (2, 1, 40, 1.0), (3, 1, 40, 4.0), (3, 2, 10, 4.0)]
    check(good, group=groups, cap=1)
    check(good, group=groups, cap=2)
    # A shorter list is not right while 40 is left.
    assert f"{LENGTH}: user 3 (1 rows instead of 2)." in refusal([*good[:3], (3, 1, 10, 4.0)], group=groups, cap=1)
    # Nobody can have more than one of a single group.
    check([(1, 1, 30, 5.0), (2, 1, 40, 1.0), (3, 1, 40, 4.0)], group=[5] * 4, cap=1)
    assert LENGTH in refusal([(1, 1, 30, 5.0), (2, 1, 40, 1.0)], group=[5] * 4, cap=1)


def test_pinned_ones_stand_in_front() -> None:
    # User 2 has rated 30, user 1 has not.
    good = [(1, 1, 30, 5.0), (1, 2, 40, 1.0), (2, 1, 40, 1.0), (3, 1, 30, 4.0), (3, 2, 40, 4.0)]
    check(good, pins=[30, 40])
    check(good, pins=[30, 40, 20])  # a third one is cut off
    check(good, pins=[30, 10, 40], opt_outs=pd.DataFrame({"user_id": [3], "experience_id": [10]}))
    swapped = [(1, 1, 40, 5.0), (1, 2, 30, 1.0), *good[2:]]
    assert refusal(swapped, pins=[30, 40]) == (
        "1 users break the contract; each does not begin with what is pinned: user 1 (rank 1: experience 40, 5;"
        " rank 2: experience 30, 1)."
    )
    assert "with what is pinned: user 1 (rank 2: experience 20, 1), user 3 (rank 1" in refusal(GOOD, pins=[30, 40])


def test_a_second_pinned_one_of_a_full_group_does_not_stand() -> None:
    rules = {"group": [0, 0, 1, 1], "pins": [30, 40], "cap": 1}
    check([(1, 1, 30, 5.0), (1, 2, 20, 1.0), (2, 1, 40, 1.0), (3, 1, 30, 4.0), (3, 2, 10, 4.0)], **rules)
    message = refusal([(1, 1, 20, 5.0), (1, 2, 30, 1.0), (2, 1, 40, 1.0), (3, 1, 40, 4.0), (3, 2, 10, 4.0)], **rules)
    assert "pinned: user 1 (rank 1: experience 20, 5), user 3 (rank 1: experience 40, 4)." in message


def test_only_the_first_users_and_rows_are_named() -> None:
    users = np.arange(1, 21)
    cause = refusal([], users=users, rated=NOTHING)
    assert cause.startswith("20 users break the contract; ")
    assert cause.endswith(", user 5 (0 rows instead of 2) ….")
    rows = [(user, rank, 10 * rank, 9.0) for user in users for rank in (1, 2, 3, 4)]
    cause = refusal(rows, users=users, rated=NOTHING, n=4)
    assert cause.startswith(
        f"20 users break the contract; each {SCALE}: user 1 (rank 1: experience 10, 9; rank 2: experience 20, 9;"
        " rank 3: experience 30, 9 …), user 2 ("
    )
    assert cause.endswith("user 5 (rank 1: experience 10, 9; rank 2: experience 20, 9; rank 3: experience 30, 9 …) ….")


def test_the_frames_are_left_alone() -> None:
    lists, rated, held = frame(GOOD), RATED.copy(), contract(pins=[30], cap=2)
    planned = held.experiences.copy()
    with pytest.raises(OutputRefused):
        check_lists(lists, USERS, rated, RATED, held)
    pd.testing.assert_frame_equal(lists, frame(GOOD))
    pd.testing.assert_frame_equal(rated, RATED)
    pd.testing.assert_frame_equal(held.experiences, planned)


def test_the_plan_is_held_to_the_source() -> None:
    rated = pd.DataFrame({"user_id": [1, 1, 3, 4]})
    offered = pd.DataFrame({"experience_id": [10, 20]})

    def side(planned: list[int], active: Sequence[int] = (1, 2, 3), rated: pd.DataFrame = rated) -> Side:
        return Side(np.array(planned, np.int64), np.array(active, np.int64), rated, rated)

    def refused(*sides: Side, excluded: Collection[int] = ()) -> str:
        with pytest.raises(OutputRefused) as caught:
            check_plan(sides, offered, set(excluded))
        return caught.value.cause

    other = pd.DataFrame({"user_id": [8, 9]})
    check_plan([side([1, 3]), side([9], [9], other)], offered, {30})
    told = "active users with ratings are not in their shard: user"
    assert refused(side([1])) == f"1 {told} 3."
    assert refused(side([1]), side([], [8, 9], other)) == f"3 {told} 3, 8, 9."
    told = "users are planned but are not active users with ratings of that shard: user"
    assert refused(side([1, 2, 3, 4])) == f"2 {told} 2, 4."
    assert refused(side([1, 3]), side([1, 9], [9], other)) == f"1 {told} 1."
    assert refused(side([1, 1, 3])) == "1 users are in a shard more than once: user 1."
    assert refused(side([1, 3]), excluded={20, 30}) == "1 excluded experiences are planned: experience 20."
