"""What a night scores: which users in which shard, against which experiences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.config import Config
from recommender_job.errors import NothingToTrainOn
from recommender_job.ratings.clean import CLEAN
from recommender_job.ratings.extract import EXPERIENCES, USERS
from recommender_job.runs import Run
from recommender_job.scoring.eligibility import eligible_experiences, known_users, shard_of
from recommender_job.storage.artifacts import RunFolder
from recommender_job.tables import EXPERIENCE, NAME, USER

PLANNED_USERS = "plan/users.parquet"
PLANNED_EXPERIENCES = "plan/experiences.parquet"
SHARD = "shard"


def plan(config: Config, run: Run, folder: RunFolder) -> dict[str, Any]:
    """Writes the users with their shard, and the eligible experiences.

    Returns:
        `shards`: numbers of the shards that hold users; `users`; `eligible_experiences`.

    Raises:
        NothingToTrainOn: There is nobody to recommend to, or nothing to recommend.
    """
    users = known_users(folder.read_frame(CLEAN), folder.read_frame(USERS))
    experiences = eligible_experiences(folder.read_frame(EXPERIENCES), run.cutoff)
    if not len(users) or experiences.empty:
        raise NothingToTrainOn(
            f"There are {len(users)} active users with ratings and {len(experiences)} eligible experiences.",
            action="Check is_active and the dates in sql/source/users.sql and sql/source/experiences.sql.",
        )
    shard = shard_of(users, config.shards)
    folder.write_table(PLANNED_USERS, pd.DataFrame({USER: users, SHARD: shard}))
    folder.write_table(PLANNED_EXPERIENCES, experiences[[EXPERIENCE, NAME]])
    return {"shards": np.unique(shard).tolist(), "users": len(users), "eligible_experiences": len(experiences)}


def users_of_shard(folder: RunFolder, shard: int) -> NDArray[np.int64]:
    """The users of one shard, ascending."""
    users = folder.read_frame(PLANNED_USERS)
    return users.loc[users[SHARD] == shard, USER].to_numpy()
