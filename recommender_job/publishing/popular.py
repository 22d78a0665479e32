"""The default list: what to show to visitors and to users the job does not know."""

from __future__ import annotations

import pandas as pd

from recommender_job.scoring.rules import GROUP_NUMBER, PIN
from recommender_job.tables import EXPERIENCE, PREDICTED, RANK, RATING

REASON = "reason"
_TOTAL, _COUNT = "total", "count"


class Totals:
    """How often each experience was rated, and what its ratings add up to; taken part by part."""

    def __init__(self) -> None:
        self._found = pd.DataFrame({_TOTAL: [], _COUNT: []}, index=pd.Index([], dtype="int64"), dtype="float64")

    @classmethod
    def of(cls, ratings: pd.DataFrame) -> Totals:
        """Those of ratings that are in memory."""
        totals = cls()
        totals.add(ratings)
        return totals

    def add(self, ratings: pd.DataFrame) -> None:
        """Takes ratings in: `experience_id`, `rating`."""
        own = ratings[RATING].astype("float64").groupby(ratings[EXPERIENCE]).agg(["sum", "count"])
        self._found = self._found.add(own.set_axis([_TOTAL, _COUNT], axis=1), fill_value=0)

    @property
    def mean(self) -> float:
        """The mean of all ratings."""
        return float(self._found[_TOTAL].sum() / self._found[_COUNT].sum())

    def of_each(self, experiences: pd.Series) -> pd.DataFrame:
        """`total` and `count` of some experiences, 0 of those that nobody rated; with their index."""
        return self._found.reindex(experiences, fill_value=0.0).set_index(experiences.index)


def popular(
    totals: Totals,
    experiences: pd.DataFrame,
    *,
    n: int,
    prior: float,
    scale: tuple[float, float],
    max_per_group: int | None = None,
) -> pd.DataFrame:
    """The eligible experiences with the highest Bayesian average rating, under the same rules as users' lists.

    Args:
        totals: Of all ratings.
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
    own = totals.of_each(experiences[EXPERIENCE])
    average = ((own[_TOTAL] + prior * totals.mean) / (own[_COUNT] + prior)).clip(*scale)
    found = experiences[[EXPERIENCE, GROUP_NUMBER, PIN]].join(own).assign(predicted_rating=average)
    best = found.sort_values([PIN, PREDICTED, EXPERIENCE], ascending=[True, False, True], na_position="last")
    if max_per_group is not None:
        best = best[best.groupby(GROUP_NUMBER).cumcount() < max_per_group]
    best = best.head(n).reset_index(drop=True)
    reasons = [_reason(*row) for row in best[[PIN, _TOTAL, _COUNT]].itertuples(index=False)]
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
