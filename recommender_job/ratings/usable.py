"""Which rows of the source are usable, and why the others are not."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from recommender_job.ratings.known import Ids, is_among
from recommender_job.tables import EXPERIENCE, RATED_AT, RATING, USER

#: Nobody rated before; infinitely early moments come out of the extract as the year 1.
EARLIEST = pd.Timestamp("1900-01-01", tz="UTC")


def split_rejected(
    rows: pd.DataFrame, *, users: Ids, experiences: Ids, scale: tuple[float, float], cutoff: datetime
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Separates usable rows from refused ones.

    Args:
        rows: A frame of `tables.SOURCE_RATINGS`; `updated_at` is not looked at.
        users: Known user ids, ascending.
        experiences: Known experience ids, ascending.
        scale: Lowest and highest rating.
        cutoff: Nothing may be rated at or after it.

    Returns:
        The usable rows, and the refused ones with `column_name` and `reason`.
    """
    low, high = scale
    checks = [
        (RATING, rows[RATING].isna().to_numpy(), "is missing or not a number"),
        (RATING, ~rows[RATING].between(low, high).to_numpy(), f"is outside the scale {low:g} to {high:g}"),
        (USER, ~is_among(rows[USER].to_numpy(), users), "is not in users"),
        (EXPERIENCE, ~is_among(rows[EXPERIENCE].to_numpy(), experiences), "is not in experiences"),
        (RATED_AT, (rows[RATED_AT] < EARLIEST).to_numpy(), "lies before 1900"),
        (RATED_AT, (rows[RATED_AT] >= pd.Timestamp(cutoff)).to_numpy(), "is not before the cutoff"),
    ]
    bad = np.logical_or.reduce([is_bad for _, is_bad, _ in checks])
    conditions = [is_bad[bad] for _, is_bad, _ in checks]
    return rows[~bad], rows[bad].assign(
        column_name=np.select(conditions, [column for column, _, _ in checks], ""),
        reason=np.select(conditions, [reason for _, _, reason in checks], ""),
    )
