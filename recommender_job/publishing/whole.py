"""The lists of a night as a whole: how many are different, and how much of them was live before."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recommender_job.arrays import Ints, distinct
from recommender_job.errors import OutputRefused
from recommender_job.publishing.different import Different
from recommender_job.safeguards import ChecksConfig
from recommender_job.scoring.rules import GROUP_NUMBER
from recommender_job.storage.buckets import ascending
from recommender_job.storage.database import Transaction
from recommender_job.tables import EXPERIENCE, USER

_ACTION = (
    "Nothing was switched. Build it with dry_run=true and `{setting}`=0 and look at it; if such lists are wanted, set"
    " `{setting}` lower for this run."
)


class Whole:
    """The figures of all lists, taken shard by shard.

    Args:
        scratch: A local folder that is not there yet.
    """

    def __init__(self, scratch: Path) -> None:
        self._different = Different(scratch)
        self._users = 0
        self._shared = 0.0
        self._users_in_both = 0

    def add(self, lists: pd.DataFrame, live: pd.DataFrame) -> None:
        """Takes in the lists of some users.

        Args:
            lists: `user_id`, `experience_id`; no experience twice for a user.
            live: The same, of these users' lists in the active publication; none where nothing is active.
        """
        self._users += self._different.add(lists[USER].to_numpy(), lists[EXPERIENCE].to_numpy())
        shared, users = _shared(lists, live)
        self._shared += shared
        self._users_in_both += users

    def figures(self, active_id: int | None, share: float = 1) -> dict[str, Any]:
        """What came of it.

        Args:
            active_id: The active publication, None where nothing is active.
            share: Of its users, those whose live lists were given.

        Returns:
            `users`: how many have a list, for whom anything was left to recommend; `distinct_lists`: number of
            different sets of experiences; `overlap`: of the users who have a list both here and in the active
            publication, the mean share of the shorter of the two that stands in the other (so that another `top_n` does
            not look like other lists); None where there is no such user or nothing is active; `users_in_both`,
            reckoned from the share; and `active_id`.
        """
        both = self._users_in_both
        return {
            "users": self._users,
            "distinct_lists": self._different.count(),
            "overlap": self._shared / both if both else None,
            "users_in_both": round(both / share),
            "active_id": active_id,
        }


def enter_figures(transaction: Transaction, publication_id: int, figures: dict[str, Any]) -> None:
    """Enters what `Whole` found in the publication's row."""
    transaction.run(
        "update recommender.publication set users = :users, distinct_lists = :distinct_lists, overlap = :overlap"
        " where publication_id = :publication_id",
        publication_id=publication_id,
        users=figures["users"],
        distinct_lists=figures["distinct_lists"],
        overlap=figures["overlap"],
    )


def _shared(lists: pd.DataFrame, live: pd.DataFrame) -> tuple[float, int]:
    """Sum of the shares that stand in both lists, over the users who have both, and how many those are."""
    if lists.empty or live.empty:
        return 0.0, 0
    users, rows, here = _as_rows(lists)
    others, other_rows, there = _as_rows(live)
    both, a, b = np.intersect1d(users, others, assume_unique=True, return_indices=True)
    rows, here, other_rows, there = rows[a], here[a], other_rows[b], there[b]
    shared = np.zeros(len(both), np.int64)
    # Lists are short: held to one another place by place they take less than sorting all pairs does.
    for place in range(other_rows.shape[1]):
        shared += (rows == other_rows[:, place, np.newaxis]).any(axis=1) & (place < there)
    return float((shared / np.minimum(here, there)).sum()), len(both)


def _as_rows(lists: pd.DataFrame) -> tuple[Ints, Ints, Ints]:
    """The users of lists, ascending; their experiences, a row each, filled up by the last of them; their lengths.

    Args:
        lists: `user_id`, `experience_id`; not empty.
    """
    order = ascending(lists[USER].to_numpy())
    owner, member = lists[USER].to_numpy()[order], lists[EXPERIENCE].to_numpy()[order]
    starts = np.flatnonzero(np.append(True, owner[1:] != owner[:-1]))
    count = np.diff(starts, append=len(owner))
    places = np.minimum(np.arange(count.max()), count[:, np.newaxis] - 1)
    return owner[starts], member[starts[:, np.newaxis] + places], count


def check_overlap(config: ChecksConfig, figures: dict[str, Any]) -> None:
    """Refuses lists that have next to nothing to do with those that are live; from `min_users` users in both on.

    Raises:
        OutputRefused: With the figure and its bound.
    """
    if figures["users_in_both"] >= config.min_users and figures["overlap"] < config.min_overlap:
        raise OutputRefused(
            f"On average {figures['overlap']:.2%} of a list is in the user's list of the active publication"
            f" {figures['active_id']} ({figures['users_in_both']:,} users have both), less than checks.min_overlap"
            f" {config.min_overlap:g}.",
            action=_ACTION.format(setting="checks.min_overlap"),
        )


def check_distinct(config: ChecksConfig, figures: dict[str, Any], by_default: Callable[[], int]) -> None:
    """Refuses lists of which too many are the same; from `min_users` users on.

    At least `min_distinct_lists` of the users must have different lists, or, where that is less, half as many as if
    every user were shown the first of the default list that the user may have: a small catalogue cannot vary more.
    Half, since lists by taste may happen to be a little fewer.

    Args:
        config: The bounds.
        figures: Of `Whole`.
        by_default: Counts those of the default list (`lists_by_default`); asked only where it matters.

    Raises:
        OutputRefused: With the figure and its bound.
    """
    found, users = figures["distinct_lists"], figures["users"]
    if users < config.min_users or found >= config.min_distinct_lists * users:
        return
    possible = by_default()
    if found < possible / 2:
        raise OutputRefused(
            f"The {users:,} users with a list have only {found:,} different ones, fewer than checks.min_distinct_lists"
            f" {config.min_distinct_lists:g} of them, and not half of the {possible:,} that the default list would make"
            " without what each has taken.",
            action=_ACTION.format(setting="checks.min_distinct_lists"),
        )


def lists_by_default(
    order: pd.DataFrame,
    left_out: Iterable[pd.DataFrame],
    users: int,
    n: int,
    scratch: Path,
    *,
    max_per_group: int | None = None,
) -> int:
    """How many different lists there were if all users walked down one order, past what they leave out.

    Args:
        order: `experience_id`, `group`, in that order.
        left_out: `user_id`, `experience_id`, in parts; nobody is in two of them.
        users: How many there are, with those who leave nothing out.
        n: Length of the lists.
        scratch: A local folder that is not there yet.
        max_per_group: Most experiences of a group in a list; None: any number.

    Returns:
        Their number, without the empty ones of users who leave everything out.
    """
    places = pd.Series(range(len(order)), index=order[EXPERIENCE])
    group = order[GROUP_NUMBER].to_numpy(np.int64)
    different, skipping = Different(scratch), 0
    for part in left_out:
        skipped = pd.DataFrame({USER: part[USER], "place": part[EXPERIENCE].map(places)}).dropna()
        owners = distinct(skipped[USER].to_numpy())
        row, place = np.searchsorted(owners, skipped[USER].to_numpy()), skipped["place"].to_numpy(np.int64)
        different.add(*_walked(row, place, len(owners), group, n, max_per_group))
        skipping += len(owners)
    if skipping < users:  # the same list for all others
        nothing = np.zeros(0, np.int64)
        different.add(*_walked(nothing, nothing, 1, group, n, max_per_group))
    return different.count()


def _walked(row: Ints, place: Ints, users: int, group: Ints, n: int, cap: int | None) -> tuple[Ints, Ints]:
    """The lists of some users, who all walk down the same order, side by side.

    Args:
        row: Numbers of users, from 0, who leave something out, shape [k].
        place: What they leave out, by its place in the order, shape [k].
        users: How many there are.
        group: Of each place, shape [m].
        n: Length of the lists.
        cap: Most of a group; None: any number.

    Returns:
        Whose it is and which place, of each entry of the lists.
    """
    by_place = np.argsort(place, kind="stable")
    row, starts = row[by_place], np.searchsorted(place[by_place], np.arange(len(group) + 1))
    listed, length = np.full((users, n), -1), np.zeros(users, np.int64)
    walking, may_have = np.arange(users), np.ones(users, np.bool_)
    for here in range(len(group)):
        if not len(walking):
            break
        without = row[starts[here] : starts[here + 1]]
        may_have[without] = False
        taking = walking[may_have[walking]]
        may_have[without] = True
        if cap is not None:
            before = listed[taking]
            taking = taking[np.count_nonzero((before >= 0) & (group[before] == group[here]), axis=1) < cap]
        listed[taking, length[taking]] = here
        length[taking] += 1
        walking = walking[length[walking] < n]
    return np.repeat(np.arange(users), length), listed[listed >= 0]
