"""The scores of one user, ranked: every eligible experience with its places, and what picking did with it.

Follows the rules of a list in plain Python for one user, so that what scoring did in blocks can be told and checked.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.config import Config
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.relevance import RelevanceModel
from recommender_job.scoring.rules import GROUP_NUMBER, PIN
from recommender_job.tables import EXPERIENCE, PREDICTED, USER

RELEVANCE = "relevance"
PREDICTED_PLACE = "predicted_place"
PICK_PLACE = "pick_place"
FATE = "fate"
RANK_EXPECTED = "rank_expected"

PICKED = "picked"
GROUP_FULL = "group full"
NOT_REACHED = "not reached"


@dataclass(frozen=True)
class Picking:
    """How candidates are picked.

    Args:
        by_relevance: Whether relevance orders the picking, rather than the predicted rating.
        order_by_relevance: Whether it orders the list too.
        candidates: How many are picked.
        n: Length of the list.
        max_per_group: Most of one group; None: any number.
    """

    by_relevance: bool
    order_by_relevance: bool
    candidates: int
    n: int
    max_per_group: int | None

    @classmethod
    def of(cls, config: Config, n: int, experiences: int) -> Picking:
        """As the settings say, for lists of n out of so many experiences."""
        alone = config.candidates_per_user == "all" and config.order_by == "predicted_rating"
        asked = experiences if config.candidates_per_user == "all" else config.candidates_per_user or n
        by_relevance = config.order_by == "relevance"
        return cls(not alone, by_relevance, n if alone else max(asked, n), n, config.rules.max_per_group)


def ranked(
    user_id: int,
    experiences: pd.DataFrame,
    barred: NDArray[np.int64],
    rated: pd.DataFrame,
    predictor: Predictor,
    relevance: RelevanceModel,
    picking: Picking,
) -> pd.DataFrame:
    """Every experience that may stand in the user's list, in the order in which candidates are picked.

    Args:
        user_id: The user.
        experiences: The planned experiences with group and pin.
        barred: Experience ids that the user has rated or opted out of.
        rated: `user_id`, `experience_id` of the user's ratings.
        predictor: The final model.
        relevance: The final relevance model.
        picking: How candidates are picked.

    Returns:
        The planned experiences that are not barred, in picking order, with `predicted_rating` (not clipped) and
        `relevance`; `predicted_place` by the rating alone; `pick_place`, pinned ones first; `fate`: picked, group full
        or not reached; and `rank_expected`, the rank that all this leads to, missing for what is not in the list.
    """
    left = experiences[~experiences[EXPERIENCE].isin(barred)].sort_values(EXPERIENCE, ignore_index=True)
    ids = left[EXPERIENCE].to_numpy(np.int64)
    predicted = predictor.predict(np.full(len(ids), user_id, np.int64), ids)
    matrix, popularity = relevance.columns(ids)
    features = relevance.features(np.array([user_id], np.int64), rated[[USER, EXPERIENCE]])
    scored = left.assign(**{PREDICTED: predicted, RELEVANCE: features.block(0, 1)[0] @ matrix + popularity})
    scored[PREDICTED_PLACE] = _places(scored, [PREDICTED])
    order = RELEVANCE if picking.by_relevance else PREDICTED
    scored = scored.assign(pinned=scored[PIN].astype("float64").fillna(np.inf)).sort_values(
        ["pinned", order, EXPERIENCE], ascending=[True, False, True], ignore_index=True
    )
    scored[PICK_PLACE] = np.arange(1, len(scored) + 1)
    scored[FATE] = _fates(scored[GROUP_NUMBER], picking)
    listing = RELEVANCE if picking.order_by_relevance else PREDICTED
    listed = scored[scored[FATE] == PICKED].sort_values(["pinned", listing, EXPERIENCE], ascending=[True, False, True])
    listed = listed.head(picking.n)
    scored[RANK_EXPECTED] = pd.Series(np.arange(1.0, len(listed) + 1), index=listed.index)
    return scored.drop(columns="pinned")


def _places(scored: pd.DataFrame, by: list[str]) -> pd.Series:
    order = scored.sort_values([*by, EXPERIENCE], ascending=[*(False for _ in by), True]).index
    return pd.Series(np.arange(1, len(scored) + 1), index=order).sort_index()


def _fates(groups: pd.Series, picking: Picking) -> list[str]:
    """What picking did with each experience, walking down the picking order."""
    in_group: Counter[int] = Counter()
    picked, fates = 0, []
    for group in groups:
        if picked == picking.candidates:
            fates.append(NOT_REACHED)
        elif in_group[group] == picking.max_per_group:
            fates.append(GROUP_FULL)
        else:
            picked += 1
            in_group[group] += 1
            fates.append(PICKED)
    return fates
