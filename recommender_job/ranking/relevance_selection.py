"""Chooses the relevance model's settings: those whose lists hold what users went on to like, on validation parts."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.arrays import distinct
from recommender_job.config import Config
from recommender_job.ranking.folds import Fold
from recommender_job.ranking.list_metrics import discounts, ideal_gain
from recommender_job.ranking.recipe import RelevancePart
from recommender_job.ranking.relevance import interactions, train_relevance
from recommender_job.tables import EXPERIENCE, RATING, USER

K = 10
#: Users whose lists are compared, at most, in each fold.
USERS = 5_000
#: Relevances that stand in memory at once.
BLOCK_PAIRS = 5_000_000


def choose_relevance(
    folds: list[Fold], experiences: int, config: Config, clock: Callable[[], float] = time.perf_counter
) -> tuple[RelevancePart, dict[str, Any]]:
    """Compares the settings of `relevance` by NDCG@10, lists ordered by relevance, mean over the users of all folds.

    Args:
        folds: Validation parts. Where nobody liked anything in them, the first of all values is taken.
        experiences: Number of experiences in the whole training part.
        config: `relevance`, `relevant_rating`, `seed`, and half of `selection.budget_seconds` as the budget.
        clock: Seconds; read to keep to the budget.

    Returns:
        The settings; and `method`, their values, `ndcg@10`, `tried` (how many settings were compared) and `seconds`.
    """
    begun = clock()
    models, weights = _models(config, experiences), config.relevance.popularity
    best, best_score, tried = models[0].model_copy(update={"popularity": weights[0]}), -1.0, 0
    asked = [wanted for fold in folds if len((wanted := _Asked.of(fold, config)).users)]
    if asked and len(models) * len(weights) > 1:
        for part in models:
            if tried and clock() - begun > config.selection.budget_seconds / 2:
                break
            scores = np.mean(np.concatenate([wanted.ndcg(part, weights, config.seed) for wanted in asked]), axis=0)
            tried += len(weights)
            if scores.max() > best_score:
                best = part.model_copy(update={"popularity": weights[int(scores.argmax())]})
                best_score = float(scores.max())
    figures = {f"ndcg@{K}": best_score if tried else None, "tried": tried, "seconds": round(clock() - begun, 3)}
    return best, {**best.model_dump(), **figures}


def is_among_the_settings(part: RelevancePart, experiences: int, config: Config) -> bool:
    """Whether `choose_relevance` could choose these settings today, for so many experiences."""
    weights, models = config.relevance.popularity, _models(config, experiences)
    return part.popularity in weights and part.model_copy(update={"popularity": weights[0]}) in [
        model.model_copy(update={"popularity": weights[0]}) for model in models
    ]


def _models(config: Config, experiences: int) -> list[RelevancePart]:
    """What to compare, but for the weight of popularity, which needs no training."""
    settings = config.relevance
    method = settings.method
    if method == "auto":
        method = "ease" if experiences <= settings.ease_up_to else "als"
    if method == "ease":
        pairs = itertools.product(settings.activity_power, settings.ease_l2)
        return [RelevancePart(method=method, l2=l2, activity_power=power) for power, l2 in pairs]
    if method == "als":
        return [RelevancePart(method=method, l2=l2) for l2 in settings.als_l2]
    return [RelevancePart(method=method)]


@dataclasses.dataclass(frozen=True)
class _Asked:
    """The users of a fold who liked something in its validation part.

    Args:
        training: The fold's training part.
        users: Ids, ascending.
        liked: `user_id`, `experience_id`.
    """

    training: pd.DataFrame
    users: NDArray[np.int64]
    liked: pd.DataFrame

    @classmethod
    def of(cls, fold: Fold, config: Config) -> _Asked:
        liked = fold.validation.loc[fold.validation[RATING] >= config.relevant_rating, [USER, EXPERIENCE]]
        users = distinct(liked[USER].to_numpy())
        if len(users) > USERS:
            users = np.sort(np.random.default_rng(config.seed).choice(users, USERS, replace=False))
            liked = liked[liked[USER].isin(users)]
        return cls(fold.training, users, liked)

    def ndcg(self, part: RelevancePart, weights: tuple[float, ...], seed: int) -> NDArray[np.float64]:
        """NDCG@10 of each user with each weight of popularity; shape [users, weights]."""
        model = train_relevance(self.training, part, seed=seed)
        features = model.features(self.users, self.training)
        wanted = interactions(self.liked, self.users, model.experiences)
        taken = interactions(self.training, self.users, model.experiences)
        ideal = ideal_gain(self.liked.groupby(USER).size().to_numpy(), K)
        columns = [
            dataclasses.replace(model, popularity_weight=weight).columns(model.experiences.ids) for weight in weights
        ]
        k = min(K, len(model.experiences))
        block = max(1, BLOCK_PAIRS // len(model.experiences))
        gains = np.empty((len(self.users), len(weights)))
        for start in range(0, len(self.users), block):
            stop = min(start + block, len(self.users))
            learned = features.block(start, stop) @ columns[0][0]
            learned[taken[start:stop].toarray() > 0] = -np.inf
            hit = wanted[start:stop].toarray() > 0
            for place, (_, popularity) in enumerate(columns):
                relevance = learned + popularity
                best = np.argpartition(-relevance, k - 1, axis=1)[:, :k]
                order = np.argsort(-np.take_along_axis(relevance, best, axis=1), axis=1)
                best = np.take_along_axis(best, order, axis=1)
                gains[start:stop, place] = np.take_along_axis(hit, best, axis=1) @ discounts(k)
        return gains / ideal[:, None]
