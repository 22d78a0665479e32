"""The default list: what to show to visitors and to users the job does not know."""

from __future__ import annotations

import pandas as pd

from recommender_job.tables import EXPERIENCE, PREDICTED, RANK, RATING


def popular(
    ratings: pd.DataFrame, experiences: pd.DataFrame, *, n: int, prior: float, scale: tuple[float, float]
) -> pd.DataFrame:
    """The eligible experiences with the highest Bayesian average rating.

    Args:
        ratings: `experience_id`, `rating`.
        experiences: Eligible ones, `experience_id`.
        n: Length of the list.
        prior: How many ratings at the overall mean each experience is given to start with; few enthusiastic ratings
            then do not outweigh many good ones.
        scale: The averages are clipped to it.

    Returns:
        `rank` from 1, `experience_id`, `predicted_rating`; equal averages rank by experience id.
    """
    mean = float(ratings[RATING].mean())
    groups = ratings[RATING].astype("float64").groupby(ratings[EXPERIENCE])
    ids = experiences[EXPERIENCE]
    total = ids.map(groups.sum()).fillna(0.0)
    count = ids.map(groups.count()).fillna(0)
    average = ((total + prior * mean) / (count + prior)).clip(*scale)
    best = pd.DataFrame({EXPERIENCE: ids, PREDICTED: average})
    best = best.sort_values([PREDICTED, EXPERIENCE], ascending=[False, True]).head(n).reset_index(drop=True)
    best.insert(0, RANK, range(1, len(best) + 1))
    return best
