"""Snapshots for the tests of the stage `clean`, without an extract before it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa

from recommender_job.ratings.extract import EXPERIENCES, SNAPSHOT, USERS
from recommender_job.storage.artifacts import RunFolder
from recommender_job.tables import SOURCE_EXPERIENCES, SOURCE_RATINGS, SOURCE_USERS


def write_snapshot(
    folder: RunFolder, ratings: pd.DataFrame, *, users: Sequence[int], experiences: Sequence[int]
) -> None:
    """Writes what `extract` would: these ratings, ascending by key, and the users and experiences that there are."""
    ordered = ratings.sort_values(["user_id", "experience_id", "rated_at"], ignore_index=True)
    folder.write_table(SNAPSHOT, pa.Table.from_pandas(ordered, SOURCE_RATINGS, preserve_index=False))
    known = [{"experience_id": int(i), "name": f"E{i}", "is_active": True} for i in experiences]
    folder.write_table(EXPERIENCES, pa.Table.from_pylist(known, SOURCE_EXPERIENCES))
    folder.write_table(
        USERS, pa.Table.from_pylist([{"user_id": int(i), "is_active": True} for i in users], SOURCE_USERS)
    )
