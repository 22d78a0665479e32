"""What a set of lists must keep before the website may see it (docs/table-contract.md)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from recommender_job.arrays import Bools, Ints
from recommender_job.errors import OutputRefused
from recommender_job.publishing.sides import Side
from recommender_job.publishing.violations import ACTION, broken, first, refuse_rows
from recommender_job.scoring.rules import GROUP_NUMBER, PIN
from recommender_job.tables import EXPERIENCE, PREDICTED, RANK, USER


@dataclass(frozen=True)
class Contract:
    """What every list is held to.

    Args:
        experiences: The planned ones, `experience_id`, `group`, `pin`; shape [m].
        n: Length of the lists where the rules leave so many.
        scale: Lowest and highest rating.
        max_per_group: Most experiences of a group in a list; None: any number.
    """

    experiences: pd.DataFrame
    n: int
    scale: tuple[float, float]
    max_per_group: int | None = None


def check_plan(sides: Iterable[Side], experiences: pd.DataFrame, excluded: Iterable[int]) -> None:
    """Holds what was planned to what the source said: every active user with ratings and nobody else, nothing excluded.

    Args:
        sides: Of all shards, those without planned users too.
        experiences: The planned ones.
        excluded: Ids that no rule lets through.

    Raises:
        OutputRefused: Names the rule, how many users or experiences break it, and the first of them.
    """
    missing, wrong, repeated = [], [], []
    for side in sides:
        # Sorted, sets are told apart far faster than by the tables of `np.unique` and what is made of it.
        planned, active, rated = np.sort(side.planned), np.sort(side.active), side.rated[USER].to_numpy()
        known = active[_stand_in(active, rated)]
        missing.append(known[~_stand_in(known, planned)])
        # A shard that is not the user's own has none of the user's ratings.
        wrong.append(planned[~_stand_in(planned, known)])
        repeated.append(planned[1:][planned[1:] == planned[:-1]])
    for what, found in (
        ("active users with ratings are not in their shard: user", missing),
        ("users are planned but are not active users with ratings of that shard: user", wrong),
        ("users are in a shard more than once: user", repeated),
        (
            "excluded experiences are planned: experience",
            [experiences.loc[experiences[EXPERIENCE].isin(list(excluded)), EXPERIENCE].to_numpy()],
        ),
    ):
        ids = np.sort(np.concatenate(found))
        if len(ids):
            raise OutputRefused(f"{len(ids):,} {what} {first(map(str, ids))}.", action=ACTION)


def _stand_in(values: Ints, others: Ints) -> Bools:
    """Which values are among the others, which ascend."""
    if not len(others):
        return np.zeros(len(values), np.bool_)
    found: Bools = others[np.minimum(np.searchsorted(others, values), len(others) - 1)] == values
    return found


def check_lists(
    lists: pd.DataFrame, users: Ints, rated: pd.DataFrame, opt_outs: pd.DataFrame, contract: Contract
) -> None:
    """Holds the lists of one shard to the contract.

    A list is as long as the rules allow: the sum over the groups of what is left of each for the user, `max_per_group`
    at most, and N at most. The number of candidates does not matter, since the cap acts where they are picked.

    Args:
        lists: A frame of `tables.LISTS`.
        users: The users that the shard must cover, each once.
        rated: `user_id`, `experience_id` of all ratings.
        opt_outs: `user_id`, `experience_id` of the opt-outs that hold.
        contract: What they are held to.

    Raises:
        OutputRefused: Names the rule, how many users break it, and the first of them with their rows.
    """
    offered = pd.Index(contract.experiences[EXPERIENCE])
    owner, place = pd.Index(users).get_indexer(pd.Index(lists[USER])), offered.get_indexer(pd.Index(lists[EXPERIENCE]))
    refuse_rows("is not to be published in this shard", lists, owner < 0)
    refuse_rows("has ranks that do not run 1, 2, 3 …", lists, lists[RANK] != lists.groupby(USER).cumcount() + 1)
    refuse_rows("has an experience that is not eligible or is excluded", lists, place < 0)
    refuse_rows("has an experience twice", lists, lists.duplicated([USER, EXPERIENCE], keep=False))
    pairs = pd.Series(owner * len(offered) + place)
    had, declined = (_pairs(frame, users, offered) for frame in (rated, opt_outs))
    refuse_rows("has an experience that the user has rated", lists, pairs.isin(had))
    refuse_rows("has an experience that the user has opted out of", lists, pairs.isin(declined))
    # `between` is false for NaN.
    refuse_rows("has a predicted rating outside the scale", lists, ~lists[PREDICTED].between(*contract.scale))
    group = contract.experiences[GROUP_NUMBER].to_numpy()
    if contract.max_per_group is not None:
        earlier = lists.groupby([lists[USER], group[place]]).cumcount()
        refuse_rows("has too many experiences of a group", lists, earlier >= contract.max_per_group)
    both = np.sort(np.concatenate([had, declined]))
    # Sorted, each is told from the one before; the tables of `np.unique` and `np.isin` are far slower.
    taken = np.divmod(both[np.diff(both, prepend=-1) > 0], max(len(offered), 1))
    _check_lengths(np.bincount(owner, minlength=len(users)), users, taken, group, contract)
    refuse_rows("does not begin with what is pinned", lists, _not_pinned(owner, place, len(users), taken, contract))


def _pairs(frame: pd.DataFrame, users: Ints, offered: pd.Index) -> Ints:
    """The pairs of these users and experiences, each as the user's place times m plus the experience's; ascending."""
    owner, place = pd.Index(users).get_indexer(pd.Index(frame[USER])), offered.get_indexer(pd.Index(frame[EXPERIENCE]))
    inside = (owner >= 0) & (place >= 0)
    return np.sort(owner[inside] * len(offered) + place[inside])


def _check_lengths(found: Ints, users: Ints, taken: tuple[Ints, Ints], group: Ints, contract: Contract) -> None:
    owner, place = taken
    cap = contract.max_per_group or len(group)
    numbers, group = np.unique(group, return_inverse=True)
    size = np.bincount(group, minlength=len(numbers))
    # Only where a user has taken something of a group can less of it be left than for everybody.
    cells, count = np.unique(owner * len(numbers) + group[place], return_counts=True)
    whose, which = np.divmod(cells, max(len(numbers), 1))
    lost = np.minimum(size[which], cap) - np.minimum(size[which] - count, cap)
    left = np.minimum(size, cap).sum() - np.bincount(whose, lost, minlength=len(users)).astype(np.int64)
    expected = np.minimum(left, contract.n)
    wrong = np.flatnonzero(found != expected)
    told = (f"user {users[i]} ({found[i]} rows instead of {expected[i]})" for i in wrong)
    broken("has a list of the wrong length", len(wrong), told)


def _not_pinned(owner: Ints, place: Ints, users: int, taken: tuple[Ints, Ints], contract: Contract) -> Bools:
    """Rows that stand where a pinned experience should, of lists of the right length."""
    pin = contract.experiences[PIN].reset_index(drop=True).dropna().sort_values()
    group = contract.experiences[GROUP_NUMBER].to_numpy()
    order = np.argsort(owner, kind="stable")
    start = np.searchsorted(owner[order], np.arange(users))
    standing = np.zeros(users, np.int64)
    of_group = {number: np.zeros(users, np.int64) for number in group[pin.index]}
    wrong = np.zeros(len(owner), np.bool_)
    for pinned in pin.index:
        stands = standing < contract.n
        if not stands.any():
            break
        stands[taken[0][taken[1] == pinned]] = False
        own = of_group[group[pinned]]
        if contract.max_per_group is not None:
            stands &= own < contract.max_per_group
        rows = order[(start + standing)[stands]]
        wrong[rows[place[rows] != pinned]] = True
        standing[stands] += 1
        own[stands] += 1
    return wrong
