"""How a broken rule is told: the rule, how many users break it, and the first of them with their rows."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.errors import OutputRefused
from recommender_job.tables import EXPERIENCE, PREDICTED, RANK, USER

ACTION = "Nothing was switched. Clear `plan_shards` and what follows; if it persists, this is a defect: report it."
#: So many users, and rows of each, are named.
NAMED_USERS, NAMED_ROWS = 5, 3


def refuse_rows(what: str, lists: pd.DataFrame, bad: pd.Series | NDArray[np.bool_]) -> None:
    """Refuses lists of which some rows break a rule.

    Args:
        what: What is wrong with a user who has such a row.
        lists: A frame of `tables.LISTS`.
        bad: Which rows.

    Raises:
        OutputRefused: There is such a row.
    """
    rows = lists[np.asarray(bad, np.bool_)]
    if rows.empty:
        return
    users = rows[USER].unique()
    named = rows[rows[USER].isin(users[: NAMED_USERS + 1])].groupby(USER, sort=False)
    told = (f"user {user} ({first(_told(own), NAMED_ROWS, '; ')})" for user, own in named)
    broken(what, len(users), told)


def broken(what: str, count: int, told: Iterable[str]) -> None:
    """Refuses lists of which `count` users break a rule.

    Args:
        what: What is wrong with each of them.
        count: How many they are; with none nothing happens.
        told: The users as text; the first few are used.

    Raises:
        OutputRefused: There is such a user.
    """
    if count:
        raise OutputRefused(f"{count:,} users break the contract; each {what}: {first(told)}.", action=ACTION)


def first(told: Iterable[str], most: int = NAMED_USERS, between: str = ", ") -> str:
    """The first so many in one line, and dots where there are more."""
    shown: list[str] = []
    for text in told:
        if len(shown) == most:
            return f"{between.join(shown)} …"
        shown.append(text)
    return between.join(shown)


def _told(rows: pd.DataFrame) -> Iterable[str]:
    for rank, experience, predicted in zip(rows[RANK], rows[EXPERIENCE], rows[PREDICTED], strict=True):
        yield f"rank {rank}: experience {experience}, {predicted:.4g}"
