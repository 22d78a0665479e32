"""The lists of a night as a whole: how many are different, and how much of them was live before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from recommender_job.errors import OutputRefused
from recommender_job.safeguards import ChecksConfig
from recommender_job.storage.database import Transaction
from recommender_job.tables import EXPERIENCE, USER

_ACTION = (
    "Nothing was switched. Build it with dry_run=true and `{setting}`=0 and look at it; if such lists are wanted, set"
    " `{setting}` lower for this run."
)

#: Lists that hold the same experiences are one, whatever their order.
_DISTINCT = """
    select count(distinct held) as distinct_lists from (
        select array_agg(experience_id order by experience_id) as held
        from recommender.recommendation where publication_id = :publication_id group by user_id
    ) as lists
"""

# A list as an array: a join of the rows themselves, which has no index to use, takes several times as long.
_OVERLAP = """
    with fresh as (
        select user_id, array_agg(experience_id) as held from recommender.recommendation
        where publication_id = :publication_id group by user_id
    ), live as (
        select user_id, array_agg(experience_id) as held from recommender.recommendation
        where publication_id = :active_id group by user_id
    ), compared as (
        select
            (select count(*) from unnest(fresh.held) as one (id) where one.id = any(live.held)) as shared,
            least(cardinality(fresh.held), cardinality(live.held)) as length
        from fresh inner join live using (user_id)
    )
    select count(*) as users, avg(shared::float8 / length) as overlap from compared
"""


def whole_figures(transaction: Transaction, publication_id: int) -> dict[str, Any]:
    """Measures an attached publication, and enters the figures in its row.

    Returns:
        `distinct_lists`: number of different sets of experiences; `overlap`: of the users who have a list both here and
        in the active publication, the mean share of the shorter of the two that stands in the other (so that another
        `top_n` does not look like other lists); None where there is no such user or nothing is active;
        `users_in_both`, and `active_id`, None where nothing is active.
    """
    figures: dict[str, Any] = transaction.rows(_DISTINCT, publication_id=publication_id)[0]
    active = transaction.row("select publication_id from recommender.active_publication")
    active_id = active["publication_id"] if active else None
    overlap = {"users": 0, "overlap": None}
    if active_id is not None:
        overlap = transaction.rows(_OVERLAP, publication_id=publication_id, active_id=active_id)[0]
    transaction.run(
        "update recommender.publication set distinct_lists = :distinct_lists, overlap = :overlap"
        " where publication_id = :publication_id",
        publication_id=publication_id,
        distinct_lists=figures["distinct_lists"],
        overlap=overlap["overlap"],
    )
    return {**figures, "overlap": overlap["overlap"], "users_in_both": overlap["users"], "active_id": active_id}


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


def check_distinct(config: ChecksConfig, figures: dict[str, Any], users: int, by_default: Callable[[], int]) -> None:
    """Refuses lists of which too many are the same; from `min_users` users on.

    At least `min_distinct_lists` of the users must have different lists, or, where that is less, as many as if every
    user were shown the first of the default list that the user does not have: a small catalogue cannot vary more.

    Args:
        config: The bounds.
        figures: Of `whole_figures`.
        users: How many there are.
        by_default: Counts those of the default list (`lists_by_default`); asked only where it matters.

    Raises:
        OutputRefused: With the figure and its bound.
    """
    found = figures["distinct_lists"]
    if users < config.min_users or found >= config.min_distinct_lists * users:
        return
    least = by_default()
    if found < least:
        raise OutputRefused(
            f"The {users:,} users have only {found:,} different lists, fewer than checks.min_distinct_lists"
            f" {config.min_distinct_lists:g} of them; the default list, without what each has taken, would make"
            f" {least:,}.",
            action=_ACTION.format(setting="checks.min_distinct_lists"),
        )


def lists_by_default(default: pd.DataFrame, left_out: pd.DataFrame, users: int, n: int) -> int:
    """How many different lists there were if all users got the first n of one order, without what they leave out.

    Args:
        default: `experience_id`, in that order.
        left_out: `user_id`, `experience_id`.
        users: How many there are, with those who leave nothing out.
        n: Length of the lists.
    """
    place = left_out[EXPERIENCE].map(pd.Series(range(len(default)), index=default[EXPERIENCE]))
    skipped = pd.DataFrame({USER: left_out[USER], "place": place}).dropna().drop_duplicates()
    skipped = skipped.sort_values([USER, "place"])
    # What stands behind n others that the user keeps is not reached.
    skipped = skipped[skipped["place"] - skipped.groupby(USER).cumcount() < n]
    different = skipped.groupby(USER)["place"].agg(tuple)
    return int(different.nunique()) + (len(different) < users)
