"""A world small enough to write every list down: four people, fourteen experiences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recommender_job.config import Config, load_config
from recommender_job.evaluating.list_figures import list_figures
from recommender_job.ranking.relevance import RelevanceModel
from tests.evaluating.worlds import predictor, ratings, relevance

#: Four people and fourteen experiences. Popularity: 1 and 2 twice, the others once.
TRAINING = ratings([(1, 1, 5), (1, 2, 5), (2, 1, 4), (2, 3, 4), (3, 2, 3), *((4, e, 4) for e in range(4, 15))])
PAIRS = ratings([(1, 14, 5), (1, 3, 4), (1, 13, 2), (2, 6, 4), (3, 9, 3)])
#: User 1 wants 14 and 3, user 2 wants 5; beyond that, what has the highest number.
WANTED = relevance({1: [14, 3], 2: [5]}, range(14, 0, -1))
LISTS = {
    1: [14, 3, 13, 12, 11, 10, 9, 8, 7, 6],
    2: [5, 14, 13, 12, 11, 10, 9, 8, 7, 6],
    3: [14, 13, 12, 11, 10, 9, 8, 7, 6, 5],
}
#: Experience 6 is rated highest, the others alike.
SIX = predictor(3.0, {}, {6: 1.5})


def gain(*ranks: int) -> float:
    return float(sum(1 / np.log2(rank + 1) for rank in ranks))


def figures(
    pairs: pd.DataFrame = PAIRS, found: RelevanceModel = WANTED, **settings: Any
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Figures and lists of the small world, ordered by relevance unless told otherwise."""
    return list_figures(SIX, found, TRAINING, pairs, configured(**settings))


def configured(**settings: Any) -> Config:
    return load_config(
        {"evaluation.resamples": 200, "order_by": "relevance", **{k.replace("__", "."): v for k, v in settings.items()}}
    )


def by_user(lists: pd.DataFrame) -> dict[int, list[int]]:
    return {user: own["experience_id"].tolist() for user, own in lists.groupby("user_id")}
