"""Top-N lists as a frame."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.ranking.trained import TrainedModel
from recommender_job.scoring.taken import Taken
from recommender_job.tables import EXPERIENCE, LISTS, PREDICTED, RANK, USER, checked


def top_lists(
    model: TrainedModel,
    users: NDArray[np.int64],
    experiences: NDArray[np.int64],
    rated: pd.DataFrame,
    *,
    n: int,
    scale: tuple[float, float],
    block_pairs: int,
) -> pd.DataFrame:
    """The n experiences with the highest predicted rating of each user, without those the user has rated.

    Args:
        model: The trained model.
        users: Ids, ascending.
        experiences: Ids that may be recommended, ascending.
        rated: `user_id`, `experience_id` of ratings; those of other users or experiences do not matter.
        n: Length of the lists; shorter where fewer experiences are left.
        scale: Predicted ratings are clipped to it after ranking, so that clipping makes no ties.
        block_pairs: Pairs scored at once.

    Returns:
        A frame of `tables.LISTS`, ascending by user and rank. Equal scores rank by experience id.
    """
    from recommender_job.scoring.blocks import Scorer

    if not len(users) or not len(experiences):
        return pd.DataFrame({name: pd.Series(dtype=str(column.dtype)) for name, column in LISTS.columns.items()})
    scorer = Scorer(model, experiences)
    parts = []
    for start, places, scores in scorer.top(
        users, Taken.of(rated, users, experiences), n, max(1, block_pairs // len(experiences))
    ):
        block = users[start : start + len(places)]
        ranks = np.broadcast_to(np.arange(1, places.shape[1] + 1, dtype=np.int16), places.shape)
        left = np.isfinite(scores)
        parts.append(
            pd.DataFrame(
                {
                    USER: np.broadcast_to(block[:, None], places.shape)[left],
                    RANK: ranks[left],
                    EXPERIENCE: experiences[places[left]],
                    PREDICTED: np.clip(scores[left], *scale).astype(np.float32),
                }
            )
        )
    return checked(pd.concat(parts, ignore_index=True), LISTS)
