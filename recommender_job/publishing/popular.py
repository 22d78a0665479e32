"""The default list: what to show to visitors and to users the job does not know."""

from __future__ import annotations

import pandas as pd

from recommender_job.scoring.rules import GROUP_NUMBER, PIN
from recommender_job.tables import EXPERIENCE, PREDICTED, RANK, RATING

REASON = "reason"


def popular(
    ratings: pd.DataFrame,
    experiences: pd.DataFrame,
    *,
    n: int,
    prior: float,
    scale: tuple[float, float],
    max_per_group: int | None = None,
) -> pd.DataFrame:
    """The eligible experiences with the highest Bayesian average rating, under the same rules as users' lists.

    Args:
        ratings: `experience_id`, `rating`.
        experiences: Eligible ones, `experience_id`, `group`, `pin`. Pinned ones come first, in that order, and count
            toward their group.
        n: Length of the list.
        prior: How many ratings at the overall mean each experience is given to start with; few enthusiastic ratings
            then do not outweigh many good ones.
        scale: The averages are clipped to it.
        max_per_group: Most experiences of a group; what would be one more is skipped. None: any number.

    Returns:
        `rank` from 1, `experience_id`, `predicted_rating` and `reason`, why it stands there; equal averages rank by
        experience id.
    """
    mean = float(ratings[RATING].mean())
    groups = ratings[RATING].astype("float64").groupby(ratings[EXPERIENCE])
    ids = experiences[EXPERIENCE]
    total = ids.map(groups.sum()).fillna(0.0)
    count = ids.map(groups.count()).fillna(0)
    average = ((total + prior * mean) / (count + prior)).clip(*scale)
    found = experiences[[EXPERIENCE, GROUP_NUMBER, PIN]].assign(predicted_rating=average, total=total, count=count)
    best = found.sort_values([PIN, PREDICTED, EXPERIENCE], ascending=[True, False, True], na_position="last")
    if max_per_group is not None:
        best = best[best.groupby(GROUP_NUMBER).cumcount() < max_per_group]
    best = best.head(n).reset_index(drop=True)
    reasons = [_reason(*row) for row in best[[PIN, "total", "count"]].itertuples(index=False)]
    ranks = range(1, len(best) + 1)
    return pd.DataFrame({RANK: ranks, EXPERIENCE: best[EXPERIENCE], PREDICTED: best[PREDICTED], REASON: reasons})


def _reason(pin: float, total: float, count: float) -> str:
    if not pd.isna(pin):
        return "pinned"
    if not count:
        return "not yet rated"
    return (
        f"rated {total / count:.2f} on average by {count:,.0f} users" if count > 1 else f"rated {total:g} by one user"
    )
