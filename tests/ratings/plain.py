"""What cleaning comes to, said plainly: all rows at once, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from recommender_job.runs import Run

PAIR = ["user_id", "experience_id"]
SCALE = (1.0, 5.0)


def latest_of_each_pair(rows: pd.DataFrame) -> pd.DataFrame:
    """One rating for each pair: the latest; of equal times, the one updated last. In the order of events."""
    ordered = rows.sort_values(["rated_at", "updated_at", *PAIR], kind="stable")
    latest = ordered.drop_duplicates(PAIR, keep="last", ignore_index=True)
    return latest[[*PAIR, "rating", "rated_at"]]


def why_refused(
    snapshot: pd.DataFrame, run: Run, *, users: Sequence[int], experiences: Sequence[int]
) -> list[tuple[str, str]]:
    """For each row the column and the reason, or two empty texts."""
    whys = []
    for row in snapshot.itertuples():
        if pd.isna(row.rating):
            whys.append(("rating", "is missing or not a number"))
        elif not SCALE[0] <= row.rating <= SCALE[1]:
            whys.append(("rating", "is outside the scale 1 to 5"))
        elif row.user_id not in users:
            whys.append(("user_id", "is not in users"))
        elif row.experience_id not in experiences:
            whys.append(("experience_id", "is not in experiences"))
        elif row.rated_at < pd.Timestamp("1900-01-01", tz="UTC"):
            whys.append(("rated_at", "lies before 1900"))
        elif row.rated_at >= pd.Timestamp(run.cutoff):
            whys.append(("rated_at", "is not before the cutoff"))
        else:
            whys.append(("", ""))
    return whys
