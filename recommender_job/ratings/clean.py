"""Turns a snapshot into ratings fit for training: refused rows apart, one rating for each pair, the latest.

The refused rows are stored before anything can stop the night. Then the ratings as a whole are judged, and only what is
accepted becomes what later nights are held to.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from recommender_job.config import Config
from recommender_job.errors import NothingToTrainOn
from recommender_job.ratings import profile, sanity
from recommender_job.ratings.extract import EXPERIENCES, SNAPSHOT, USERS
from recommender_job.ratings.quarantine import forget_erased, forget_old
from recommender_job.ratings.rejections import keep_rejected, refuse_too_many
from recommender_job.runs import Run
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database
from recommender_job.tables import EXPERIENCE, RATED_AT, RATING, RATINGS, UPDATED_AT, USER, checked

CLEAN = "clean/ratings.parquet"
REJECTED = "clean/rejected.parquet"
#: Nobody rated before; infinitely early moments come out of the extract as the year 1.
EARLIEST = pd.Timestamp("1900-01-01", tz="UTC")


def clean(config: Config, run: Run, folder: RunFolder, database: Database) -> dict[str, Any]:
    """Writes the clean ratings and the refused rows; the refused ones also go to `recommender.quarantine`.

    Returns:
        `pairs`: clean ratings; `rejected`: refused rows, by reason in `reasons`; `users`, `experiences` with ratings;
        `sanity`: what `sanity.Verdict.summary` holds.

    Raises:
        TooManyRefused: More rows were refused than `quarantine.max_share` allows.
        SourceSuspicious: The ratings as a whole are not what the last accepted nights would lead to expect.
        NothingToTrainOn: Not one rating is left.
    """
    snapshot = folder.read_frame(SNAPSHOT)
    good, rejected = split_rejected(
        snapshot,
        users=folder.read_frame(USERS)[USER],
        experiences=folder.read_frame(EXPERIENCES)[EXPERIENCE],
        scale=(config.rating_min, config.rating_max),
        cutoff=run.cutoff,
    )
    ratings = latest_of_each_pair(good)
    folder.write_table(REJECTED, rejected)
    with database.transaction() as transaction:
        keep_rejected(transaction, run.run_id, rejected)
        forget_old(transaction, config.quarantine.keep_days)
        forget_erased(transaction)
    refuse_too_many(rejected, len(snapshot), config.quarantine)

    nights = profile.accepted_nights(database, run, config.sanity.nights)
    tonight = profile.Night(
        run.run_id,
        run.cutoff,
        profile.figures(
            ratings,
            snapshot_rows=len(snapshot),
            source_rows=(folder.summary_if_finished("extract") or {}).get("source_rows"),
            rejected=len(rejected),
            scale=(config.rating_min, config.rating_max),
            before=profile.ratings_of(config, nights[0], CLEAN) if nights else None,
        ),
    )
    verdict = sanity.judge(tonight, nights, config.sanity)
    sanity.raise_if_suspicious(verdict, config.sanity)

    reasons = {str(reason): int(count) for reason, count in rejected["reason"].value_counts().items()}
    if ratings.empty:
        raise NothingToTrainOn(
            f"The snapshot holds no usable rating: {len(rejected)} refused ({reasons or 'the source is empty'}).",
            action="Look at recommender.quarantine, and at what sql/source/ratings.sql returns for this cutoff.",
        )
    folder.write_table(CLEAN, checked(ratings, RATINGS))
    profile.accept(database, tonight)
    return {
        "pairs": len(ratings),
        "rejected": len(rejected),
        "reasons": reasons,
        "users": int(ratings[USER].nunique()),
        "experiences": int(ratings[EXPERIENCE].nunique()),
        "sanity": verdict.summary,
    }


def split_rejected(
    snapshot: pd.DataFrame,
    *,
    users: pd.Series,
    experiences: pd.Series,
    scale: tuple[float, float],
    cutoff: datetime,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Separates usable rows from refused ones.

    Args:
        snapshot: A frame of `tables.SOURCE_RATINGS`; `updated_at` is not looked at.
        users: Known user ids.
        experiences: Known experience ids.
        scale: Lowest and highest rating.
        cutoff: Nothing may be rated at or after it.

    Returns:
        The usable rows, and the refused ones with `column_name` and `reason`.
    """
    low, high = scale
    checks = [
        (RATING, snapshot[RATING].isna(), "is missing or not a number"),
        (RATING, ~snapshot[RATING].between(low, high), f"is outside the scale {low:g} to {high:g}"),
        (USER, ~snapshot[USER].isin(users), "is not in users"),
        (EXPERIENCE, ~snapshot[EXPERIENCE].isin(experiences), "is not in experiences"),
        (RATED_AT, snapshot[RATED_AT] < EARLIEST, "lies before 1900"),
        (RATED_AT, snapshot[RATED_AT] >= pd.Timestamp(cutoff), "is not before the cutoff"),
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
