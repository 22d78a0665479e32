"""Top-N lists as a frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.config import Config
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.relevance import RelevanceModel
from recommender_job.scoring.rules import Rules
from recommender_job.scoring.taken import Taken
from recommender_job.tables import EXPERIENCE, LISTS, PREDICTED, RANK, USER, checked

#: Users of a block and their predicted ratings of every experience, shape [users, experiences].
OnScores = Callable[[NDArray[np.int64], NDArray[np.float32]], None]


def top_lists(
    predictor: Predictor,
    users: NDArray[np.int64],
    experiences: NDArray[np.int64],
    rated: pd.DataFrame,
    *,
    n: int,
    scale: tuple[float, float],
    block_pairs: int,
    relevance: RelevanceModel | None = None,
    candidates: int = 0,
    order_by: Literal["predicted_rating", "relevance"] = "predicted_rating",
    on_scores: OnScores | None = None,
    rules: Rules | None = None,
) -> pd.DataFrame:
    """Each user's list, without what the user has rated or opted out of.

    Relevance picks the candidates; of these the n with the highest predicted rating are the list, best first. With
    `order_by="relevance"`, the n most relevant are, most relevant first. What is pinned stands in front of that.

    Args:
        predictor: Predicts the ratings.
        users: Ids, ascending.
        experiences: Ids that may be recommended, ascending.
        rated: `user_id`, `experience_id` of ratings; those of other experiences only tell relevance about the user.
        n: Length of the lists; shorter where fewer experiences are left.
        scale: Predicted ratings are clipped to it after ranking, so that clipping makes no ties.
        block_pairs: Pairs scored at once.
        relevance: None: every experience is a candidate, and the predicted rating decides alone.
        candidates: How many relevance picks, n at least.
        order_by: What orders a list.
        on_scores: Given the predicted ratings of every pair, block by block, clipped.
        rules: Opt-outs, pinned experiences and caps of groups; None: none.

    Returns:
        A frame of `tables.LISTS`, ascending by user and rank. Equal scores rank by experience id.
    """
    from recommender_job.scoring.blocks import Scorer

    if not len(users) or not len(experiences):
        return pd.DataFrame({name: pd.Series(dtype=str(column.dtype)) for name, column in LISTS.columns.items()})
    scorer = Scorer(
        predictor,
        experiences,
        n=n,
        relevance=relevance,
        candidates=candidates,
        by_relevance=order_by == "relevance",
        rules=rules,
    )
    taken = Taken.of(rated, users, experiences)
    if rules is not None and len(rules.opt_outs):
        # Opt-outs say nothing about what a user has taken up: relevance is not told of them.
        left_out = pd.concat([rated[[USER, EXPERIENCE]], rules.opt_outs], ignore_index=True)
        taken = Taken.of(left_out, users, experiences)
    features = relevance.features(users, rated) if relevance else None
    parts = []
    for block in scorer.top(users, taken, max(1, block_pairs // len(experiences)), features):
        owners = users[block.start : block.start + len(block.places)]
        if on_scores:
            on_scores(owners, np.clip(block.every, *scale))
        left = block.there
        ranks = np.broadcast_to(np.arange(1, block.places.shape[1] + 1, dtype=np.int16), block.places.shape)
        parts.append(
            pd.DataFrame(
                {
                    USER: np.broadcast_to(owners[:, None], block.places.shape)[left],
                    RANK: ranks[left],
                    EXPERIENCE: experiences[block.places[left]],
                    PREDICTED: np.clip(block.scores[left], *scale).astype(np.float32),
                }
            )
        )
    return checked(pd.concat(parts, ignore_index=True), LISTS)


def configured_lists(
    config: Config,
    predictor: Predictor,
    relevance: RelevanceModel,
    users: NDArray[np.int64],
    experiences: NDArray[np.int64],
    rated: pd.DataFrame,
    *,
    n: int,
    on_scores: OnScores | None = None,
    rules: Rules | None = None,
) -> pd.DataFrame:
    """`top_lists` as `candidates_per_user` and `order_by` say.

    `rules` are given by whoever publishes the lists. Figures of a model are of its lists without them.
    """
    by_rating_alone = config.candidates_per_user == "all" and config.order_by == "predicted_rating"
    candidates = len(experiences) if config.candidates_per_user == "all" else config.candidates_per_user or n
    return top_lists(
        predictor,
        users,
        experiences,
        rated,
        n=n,
        scale=(config.rating_min, config.rating_max),
        block_pairs=config.block_pairs,
        relevance=None if by_rating_alone else relevance,
        candidates=candidates,
        order_by=config.order_by,
        on_scores=on_scores,
        rules=rules,
    )
