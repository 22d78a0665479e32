"""What the night behind the active publication knew of one user, read from its run folder and the website's views."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.arrays import distinct
from recommender_job.config import Config
from recommender_job.errors import ArtifactBroken
from recommender_job.publishing.publications import lists_of, publications, status
from recommender_job.ratings.clean import CLEAN, REJECTED
from recommender_job.ratings.extract import OPT_OUTS, SNAPSHOT, USERS
from recommender_job.runs import folder_of
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database
from recommender_job.storage.lookup import rows_where
from recommender_job.tables import EXPERIENCE


@dataclass(frozen=True)
class UserOfNight:
    """One user in the night that is live.

    Args:
        live: The row of `recommendation_status`.
        top_n: Length of the lists of that night.
        user_id: The user.
        account: The row of `users.sql`, None where there was none.
        snapshot: The user's rows in the snapshot.
        ratings: The clean ratings.
        rejected: The refused rows, with `column_name` and `reason`.
        opt_outs: The user's opt-outs, whether they hold or not.
        shown: What the website shows the user now: `source`, `publication_id`, `recommendations`.
    """

    live: dict[str, Any]
    top_n: int
    user_id: int
    account: dict[str, Any] | None
    snapshot: pd.DataFrame
    ratings: pd.DataFrame
    rejected: pd.DataFrame
    opt_outs: pd.DataFrame
    shown: dict[str, Any]

    @property
    def opted_out(self) -> NDArray[np.int64]:
        """Experiences whose opt-out held at the cutoff."""
        until = self.opt_outs["until"]
        holds = until.isna() | (until > pd.Timestamp(self.live["data_through"]))
        return self.opt_outs.loc[holds, EXPERIENCE].to_numpy(np.int64)

    @property
    def barred(self) -> NDArray[np.int64]:
        """Experiences that may not stand in the user's list: rated ones, usably or not, and opt-outs."""
        rated = [frame[EXPERIENCE].to_numpy(np.int64) for frame in (self.ratings, self.rejected)]
        return distinct(np.concatenate([*rated, self.opted_out]))

    @property
    def has_list(self) -> bool:
        """Whether the night made a list for this user."""
        return bool(self.account and self.account["is_active"] and len(self.ratings))


def folder_of_live(config: Config, live: dict[str, Any]) -> RunFolder:
    """The run folder of what is live.

    Raises:
        ArtifactBroken: It is no longer there.
    """
    folder = RunFolder(config.runs, folder_of(live["run_id"]))
    if folder.summary_if_finished("plan_shards") is None:
        raise ArtifactBroken(
            f"The folder of run {live['run_id']}, which is live, is not in {config.runs}.",
            action="Set `runs_url` to where that run wrote, or run a night: its lists can be explained.",
        )
    return folder


def user_of_night(config: Config, database: Database, user_id: int) -> tuple[RunFolder, UserOfNight]:
    """Reads what the live night knew of a user.

    Raises:
        NotPublished: Nothing is live.
        ArtifactBroken: The run's folder is gone or damaged.
    """
    live, shown = status(database), lists_of(database, user_id)
    while shown["publication_id"] not in (None, live["publication_id"]):  # switched in between
        live, shown = status(database), lists_of(database, user_id)
    folder = folder_of_live(config, live)
    accounts = rows_where(folder, USERS, user_id=user_id).to_dict("records")
    return folder, UserOfNight(
        live=live,
        top_n=next(row["top_n"] for row in publications(database) if row["publication_id"] == live["publication_id"]),
        user_id=user_id,
        account={str(k): v for k, v in accounts[0].items()} if accounts else None,
        snapshot=rows_where(folder, SNAPSHOT, user_id=user_id),
        ratings=rows_where(folder, CLEAN, user_id=user_id),
        rejected=rows_where(folder, REJECTED, user_id=user_id),
        opt_outs=rows_where(folder, OPT_OUTS, user_id=user_id),
        shown=shown,
    )
