"""Turns a snapshot into ratings fit for training: refused rows apart, one rating for each pair, the latest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recommender_job.config import Config
from recommender_job.errors import NothingToTrainOn
from recommender_job.ratings.extract import EXPERIENCES, SNAPSHOT, USERS
from recommender_job.runs import Run
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database
from recommender_job.tables import EXPERIENCE, RATED_AT, RATING, RATINGS, UPDATED_AT, USER, checked

CLEAN = "clean/ratings.parquet"
REJECTED = "clean/rejected.parquet"


def clean(config: Config, run: Run, folder: RunFolder, database: Database) -> dict[str, Any]:
    """Writes the clean ratings and the refused rows; the refused ones also go to `recommender.quarantine`.

    Returns:
        `pairs`: clean ratings; `rejected`: refused rows, by reason in `reasons`; `users`, `experiences` with ratings.

    Raises:
        NothingToTrainOn: Not one rating is left.
    """
    good, rejected = split_rejected(
        folder.read_frame(SNAPSHOT),
        users=folder.read_frame(USERS)[USER],
        experiences=folder.read_frame(EXPERIENCES)[EXPERIENCE],
        scale=(config.rating_min, config.rating_max),
    )
    ratings = latest_of_each_pair(good)
    folder.write_table(REJECTED, rejected)
    with database.transaction() as transaction:
        transaction.run("delete from recommender.quarantine where origin = :origin", origin=run.run_id)
        transaction.run_many(
            "insert into recommender.quarantine (origin, column_name, reason, content)"
            " values (:origin, :column_name, :reason, :content)",
            [{"origin": run.run_id, **row} for row in _described(rejected)],
        )
    reasons = {str(reason): int(count) for reason, count in rejected["reason"].value_counts().items()}
    if ratings.empty:
        raise NothingToTrainOn(
            f"The snapshot holds no usable rating: {len(rejected)} refused ({reasons or 'the source is empty'}).",
            action="Look at recommender.quarantine, and at what sql/source/ratings.sql returns for this cutoff.",
        )
    folder.write_table(CLEAN, checked(ratings, RATINGS))
    return {
        "pairs": len(ratings),
        "rejected": len(rejected),
        "reasons": reasons,
        "users": int(ratings[USER].nunique()),
        "experiences": int(ratings[EXPERIENCE].nunique()),
    }


def split_rejected(
    snapshot: pd.DataFrame, *, users: pd.Series, experiences: pd.Series, scale: tuple[float, float]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Separates usable rows from refused ones.

    Args:
        snapshot: A frame of `tables.SOURCE_RATINGS`.
        users: Known user ids.
        experiences: Known experience ids.
        scale: Lowest and highest rating.

    Returns:
        The usable rows, and the refused ones with `column_name` and `reason`.
    """
    low, high = scale
    checks = [
        (RATING, snapshot[RATING].isna(), "is missing or not a number"),
        (RATING, ~snapshot[RATING].between(low, high), f"is outside the scale {low:g} to {high:g}"),
        (USER, ~snapshot[USER].isin(users), "is not in users"),
        (EXPERIENCE, ~snapshot[EXPERIENCE].isin(experiences), "is not in experiences"),
    ]
    conditions = [bad for _, bad, _ in checks]
    columns = np.select(conditions, [column for column, _, _ in checks], "")
    reasons = np.select(conditions, [reason for _, _, reason in checks], "")
    bad = reasons != ""
    return snapshot[~bad], snapshot[bad].assign(column_name=columns[bad], reason=reasons[bad])


def latest_of_each_pair(rows: pd.DataFrame) -> pd.DataFrame:
    """One rating for each (user, experience): the latest; of equal times, the one updated last.

    Returns:
        A new frame of `tables.RATINGS`, in the order of events.
    """
    # User and experience are there only to make the order total.
    ordered = rows.sort_values([RATED_AT, UPDATED_AT, USER, EXPERIENCE], kind="stable")
    latest = ordered.drop_duplicates([USER, EXPERIENCE], keep="last", ignore_index=True)
    return latest[[USER, EXPERIENCE, RATING, RATED_AT]]


def _described(rejected: pd.DataFrame) -> list[dict[str, Any]]:
    content = rejected[[USER, EXPERIENCE, RATING, RATED_AT]].to_json(orient="records", lines=True, date_format="iso")
    lines = [line for line in content.splitlines() if line]
    return [
        {"column_name": column, "reason": reason, "content": line}
        for column, reason, line in zip(rejected["column_name"], rejected["reason"], lines, strict=True)
    ]
