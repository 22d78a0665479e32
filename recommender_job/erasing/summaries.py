"""Keeps the summaries of planning and scoring in step with their files: publishing compares the two."""

from __future__ import annotations

from typing import Any

import numpy as np

from recommender_job.runs import stage_of
from recommender_job.scoring.plan import PLANNED_USERS, SHARD
from recommender_job.scoring.score import lists_file
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.run_files import UserRows, checksum_of_others
from recommender_job.tables import USER


def correct_summaries(folder: RunFolder, found: dict[str, UserRows], user_id: int) -> None:
    """Lowers the numbers of users and rows to what the files hold without the user.

    A shard's checksum becomes that of the rows that are left. The numbers are counted, not subtracted, so that doing it
    again changes nothing; and only while the user is still planned, so that a file which lost rows in any other way is
    noticed all the same.

    Args:
        folder: The run folder.
        found: Rows of each Parquet file, as they are before the user's are removed.
        user_id: Whom to erase.
    """
    planned = found.get(PLANNED_USERS)
    if planned is None or not planned.own:
        return
    users = folder.read_frame(PLANNED_USERS)
    users = users[users[USER] != user_id]
    _update(folder, "plan_shards", users=len(users))
    for shard, here in _shards(folder):
        lists = found.get(lists_file(shard))
        if lists is not None:
            count = int(np.count_nonzero(users[SHARD] == shard))
            pairs = here["pairs"] // max(here["users"], 1) * count
            changed: dict[str, Any] = {"users": count, "rows": lists.others, "pairs": pairs}
            if "checksum" in here:
                changed["checksum"] = checksum_of_others(folder, lists_file(shard), user_id)
            _update(folder, stage_of(shard), **changed)


def _shards(folder: RunFolder) -> list[tuple[int, dict[str, Any]]]:
    shards = (folder.summary_if_finished("plan_shards") or {}).get("shards", [])
    summaries = ((shard, folder.summary_if_finished(stage_of(shard))) for shard in shards)
    return [(shard, summary) for shard, summary in summaries if summary is not None]


def _update(folder: RunFolder, stage: str, **changed: Any) -> None:
    summary = folder.summary_if_finished(stage)
    if summary is not None:
        folder.finish(stage, {**summary, **changed})
