"""What a set of lists must keep before the website may see it (docs/table-contract.md)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.errors import OutputRefused
from recommender_job.tables import EXPERIENCE, PREDICTED, RANK, USER

_ACTION = "Nothing was switched. Clear `plan_shards` and what follows; if it persists, this is a defect: report it."


def check_lists(
    lists: pd.DataFrame,
    users: NDArray[np.int64],
    experiences: NDArray[np.int64],
    rated: pd.DataFrame,
    *,
    n: int,
    scale: tuple[float, float],
) -> None:
    """Holds the lists of one shard to the contract.

    Args:
        lists: A frame of `tables.LISTS`.
        users: The users that the shard must cover.
        experiences: The eligible experiences.
        rated: `user_id`, `experience_id` of all ratings.
        n: Length of the lists where enough experiences are left.
        scale: Lowest and highest rating.

    Raises:
        OutputRefused: Names the rule, how many users break it, and the first of them.
    """
    rated = rated[rated[EXPERIENCE].isin(experiences)]
    left = len(experiences) - rated.groupby(USER)[EXPERIENCE].nunique().reindex(users, fill_value=0)
    expected = left.clip(upper=n)
    length = lists.groupby(USER).size().reindex(users, fill_value=0)
    _refuse("has a list of the wrong length", users[(length != expected).to_numpy()])
    _refuse("is not to be published in this shard", _users(lists, ~lists[USER].isin(users)))
    counted = lists.groupby(USER).cumcount() + 1
    _refuse("has ranks that do not run 1, 2, 3 …", _users(lists, lists[RANK] != counted))
    _refuse("has an experience twice", _users(lists, lists.duplicated([USER, EXPERIENCE])))
    _refuse("has an experience that is not eligible", _users(lists, ~lists[EXPERIENCE].isin(experiences)))
    pairs = pd.MultiIndex.from_frame(lists[[USER, EXPERIENCE]])
    had = pairs.isin(pd.MultiIndex.from_frame(rated[[USER, EXPERIENCE]]))
    _refuse("has an experience that the user has rated", _users(lists, had))
    # `between` is false for NaN.
    _refuse("has a predicted rating outside the scale", _users(lists, ~lists[PREDICTED].between(*scale)))


def _users(lists: pd.DataFrame, bad: pd.Series | NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.unique(lists.loc[bad, USER].to_numpy(np.int64))


def _refuse(what: str, users: NDArray[np.int64]) -> None:
    if len(users):
        first = ", ".join(map(str, users[:5]))
        raise OutputRefused(f"{len(users)} users break the contract; each {what}: {first} …", action=_ACTION)
