"""What a night scores: which users in which shard, against which experiences, under which rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.config import Config
from recommender_job.errors import NothingToTrainOn
from recommender_job.ratings.clean import CLEAN
from recommender_job.ratings.extract import EXPERIENCE_RULES, EXPERIENCES, OPT_OUTS, USERS
from recommender_job.runs import Run
from recommender_job.scoring.eligibility import eligible_experiences, known_users, shard_of
from recommender_job.scoring.rules import GROUP_NUMBER, PIN, offered, opted_out
from recommender_job.storage.artifacts import RunFolder
from recommender_job.tables import EXPERIENCE, GROUP, NAME, USER

PLANNED_USERS = "plan/users.parquet"
PLANNED_EXPERIENCES = "plan/experiences.parquet"
PLANNED_OPT_OUTS = "plan/opt_outs.parquet"
SHARD = "shard"


def plan(config: Config, run: Run, folder: RunFolder) -> dict[str, Any]:
    """Writes the users with their shard, the experiences to offer with group and pin, and the opt-outs that hold.

    Returns:
        `shards`: numbers of the shards that hold users; `users`; `eligible_experiences`, without the excluded ones;
        `excluded`: how many a rule leaves out; `pinned`: how many stand in front; `opt_outs`: pairs of these users and
        experiences.

    Raises:
        NothingToTrainOn: There is nobody to recommend to, or nothing to recommend.
        ArtifactBroken: A file is missing or damaged; those of rules also when an older version extracted.
    """
    users = known_users(folder.read_frame(CLEAN), folder.read_frame(USERS))
    eligible = eligible_experiences(folder.read_frame(EXPERIENCES), run.cutoff)
    experiences = offered(config.rules, eligible, folder.read_frame(EXPERIENCE_RULES))
    if not len(users) or experiences.empty:
        raise NothingToTrainOn(
            f"There are {len(users)} active users with ratings and {len(experiences)} eligible experiences"
            f" ({len(eligible) - len(experiences)} are excluded by rules).",
            action="Check is_active and the dates in sql/source/users.sql and sql/source/experiences.sql, and"
            " `rules.excluded` and is_excluded in sql/source/experience_rules.sql.",
        )
    opt_outs = opted_out(folder.read_frame(OPT_OUTS), run.cutoff, users, experiences[EXPERIENCE].to_numpy())
    shard = shard_of(users, config.shards)
    folder.write_table(PLANNED_USERS, pd.DataFrame({USER: users, SHARD: shard}))
    folder.write_table(PLANNED_EXPERIENCES, experiences)
    folder.write_table(PLANNED_OPT_OUTS, opt_outs)
    return {
        "shards": np.unique(shard).tolist(),
        "users": len(users),
        "eligible_experiences": len(experiences),
        "excluded": len(eligible) - len(experiences),
        "pinned": int(experiences[PIN].count()),
        "opt_outs": len(opt_outs),
    }


def users_of_shard(folder: RunFolder, shard: int) -> NDArray[np.int64]:
    """The users of one shard, ascending."""
    users = folder.read_frame(PLANNED_USERS)
    return users.loc[users[SHARD] == shard, USER].to_numpy()


def planned_experiences(folder: RunFolder) -> pd.DataFrame:
    """What may be offered: `experience_id`, `name`, `group`, `group_name`, `pin`; ascending by id.

    Raises:
        ArtifactBroken: The file is missing, damaged, or from before there were groups and pins.
    """
    planned = folder.read_frame(PLANNED_EXPERIENCES)
    with folder.reading(PLANNED_EXPERIENCES):
        return planned[[EXPERIENCE, NAME, GROUP_NUMBER, GROUP, PIN]]
