"""The business's rules about lists: what never stands in one, what stands in front, how many of a group."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.safeguards import RulesConfig
from recommender_job.scoring.groups import grouped
from recommender_job.tables import EXPERIENCE, GROUP, NAME, PINNED_RANK, USER

#: Number of an experience's group; every experience has one, alone in it or not.
GROUP_NUMBER = "group"
#: Place of a pinned experience among the pinned ones, from 1; missing where it is not pinned.
PIN = "pin"


@dataclass(frozen=True)
class Rules:
    """What lists must keep beside leaving out what a user has rated or opted out of.

    Lists are made by walking down the picking order (relevance, or the predicted rating where that alone decides) from
    the pinned experiences on. What the user has rated or opted out of is passed over, and so is what would be one too
    many of its group, until enough candidates are found. So the cap costs no place while another group is left; pinned
    experiences count as candidates and toward their group, and where two pinned ones exceed a group's cap the first
    that the user can have stays.

    Args:
        group: Number of each experience's group, in the order of the scored experiences, shape [m].
        pinned: Places of the pinned experiences in the scored ones, in the order in which they stand, shape [p].
        max_per_group: Most experiences of a group in a list; None: any number.
    """

    group: NDArray[np.int64]
    pinned: NDArray[np.int64]
    max_per_group: int | None

    @classmethod
    def of(cls, experiences: pd.DataFrame, max_per_group: int | None) -> Rules:
        """The rules of planned experiences: `experience_id` ascending, `group`, `pin`."""
        order = experiences[PIN].reset_index(drop=True).dropna().sort_values().index
        return cls(experiences[GROUP_NUMBER].to_numpy(np.int64), order.to_numpy(np.int64), max_per_group)


def offered(config: RulesConfig, eligible: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Applies the rules of configuration and table to the eligible experiences.

    Args:
        config: `excluded` ones are left out; `pinned` ones come before the table's; `group_by_name`.
        eligible: `experience_id`, `name`; ascending by id.
        table: A frame of `tables.SOURCE_EXPERIENCE_RULES`. What it excludes is left out, also where it or the
            configuration pins it. Its pinned ones stand by `pinned_rank`, then by id. Rows of others do not matter.

    Returns:
        `experience_id`, `name`, `group`, `group_name`, `pin`; ascending by id.
    """
    excluded = {*config.excluded, *table.loc[table["is_excluded"], EXPERIENCE]}
    kept = eligible.loc[~eligible[EXPERIENCE].isin(excluded), [EXPERIENCE, NAME]].reset_index(drop=True)
    group, names = grouped(kept, table.set_index(EXPERIENCE)[GROUP], by_name=config.group_by_name)
    by_table = table.dropna(subset=[PINNED_RANK]).sort_values([PINNED_RANK, EXPERIENCE])[EXPERIENCE]
    there = set(kept[EXPERIENCE])
    pinned = [one for one in dict.fromkeys([*config.pinned, *by_table.tolist()]) if one in there]
    pin = kept[EXPERIENCE].map({one: place for place, one in enumerate(pinned, 1)}).astype("Int64")
    return pd.DataFrame({EXPERIENCE: kept[EXPERIENCE], NAME: kept[NAME], GROUP_NUMBER: group, GROUP: names, PIN: pin})


def opted_out(
    opt_outs: pd.DataFrame, moment: datetime, users: NDArray[np.int64], experiences: NDArray[np.int64]
) -> pd.DataFrame:
    """Opt-outs that hold at a moment: those without an end, and those that end later (`moment < until`).

    Args:
        opt_outs: A frame of `tables.SOURCE_OPT_OUTS`.
        moment: The run's cutoff.
        users: Those of other users are left away.
        experiences: Likewise.

    Returns:
        `user_id`, `experience_id`; each pair once, ascending.
    """
    holds = opt_outs["until"].isna() | (opt_outs["until"] > pd.Timestamp(moment))
    inside = opt_outs[USER].isin(users) & opt_outs[EXPERIENCE].isin(experiences)
    pairs = opt_outs.loc[holds & inside, [USER, EXPERIENCE]]
    return pairs.drop_duplicates().sort_values([USER, EXPERIENCE], ignore_index=True)
