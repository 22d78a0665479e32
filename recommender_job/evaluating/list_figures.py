"""Figures of the lists that held-out users would have been shown, beside those of popularity and of chance."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.arrays import distinct
from recommender_job.config import Config
from recommender_job.evaluating.bootstrap import Bootstrap, chance, interval
from recommender_job.ranking.encoded import Encoded, encoded
from recommender_job.ranking.list_metrics import (
    ListFigures,
    by_chance,
    coverage,
    distinct_share,
    exposure,
    list_metrics,
    mean_of,
    personal_share,
    popularity_bias,
)
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.recipe import RelevancePart
from recommender_job.ranking.relevance import RelevanceModel, train_relevance
from recommender_job.scoring.lists import configured_lists, top_lists
from recommender_job.tables import EXPERIENCE, RANK, RATING, USER

K = 10


def list_figures(
    predictor: Predictor,
    relevance: RelevanceModel,
    training: pd.DataFrame | Encoded,
    pairs: pd.DataFrame,
    config: Config,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Lists of the users of unseen pairs, made of what was rated in training and not by the user.

    Args:
        predictor: Trained on `training`.
        relevance: Trained on `training`.
        training: `user_id`, `experience_id`, `rating`; or what was made of them.
        pairs: Unseen pairs, likewise. An experience is liked from `relevant_rating` on.
        config: How lists are made; at most `evaluation.list_users` users are asked, drawn by `seed`.

    Returns:
        The figures, and the lists. Figures, of the first 10 places (of lists of 10, where `top_n` is less): `users`
        asked, `users_without_list` though something is left for them, `users_who_liked` (over whom recall and NDCG are
        means);
        for `model` and `popularity` each `ndcg@10` and `recall@10` with intervals, `coverage`, `distinct_lists`,
        `exposure`, `popularity_bias`; for `model` also `personal_lists` among `lists_compared`;
        for `random` the expected `ndcg@10` and `recall@10`;
        `below_popularity`: how likely recall falls so far below what `gate.max_list_loss` leaves of popularity's by
        chance. None where nobody liked anything.
    """
    training = encoded(training)
    users = distinct(pairs[USER].to_numpy())
    if len(users) > config.evaluation.list_users:
        users = np.sort(np.random.default_rng(config.seed).choice(users, config.evaluation.list_users, replace=False))
    catalogue = training.experiences.ids
    popularity = pd.Series(training.experience_counts[1:], index=catalogue)
    rated = training.rated_by(users)  # those of all would fill the memory, for nothing
    liked = pairs.loc[pairs[RATING] >= config.relevant_rating, [USER, EXPERIENCE]].drop_duplicates()
    liked = liked[liked[USER].isin(users)]
    make = functools.partial(configured_lists, config, predictor, relevance, users, catalogue, rated)
    lists = make(n=max(K, config.top_n))
    popular = top_lists(
        predictor,
        users,
        catalogue,
        rated,
        n=K,
        scale=(config.rating_min, config.rating_max),
        block_pairs=config.block_pairs,
        relevance=train_relevance(training, RelevancePart(method="popularity"), seed=config.seed),
        order_by="relevance",
    )
    own, others = list_metrics(lists, liked, k=K), list_metrics(popular, liked, k=K)
    random = by_chance(rated, liked, catalogue=catalogue, k=K)
    bootstrap = None
    if len(own.users):
        bootstrap = Bootstrap(own.users, resamples=config.evaluation.resamples, seed=config.seed)
    figures: dict[str, Any] = {
        "users": len(users),
        "users_without_list": _without_list(lists, users, rated, len(catalogue)),
        "users_who_liked": len(own.users),
        "model": _of(lists[lists[RANK] <= K], own, popularity, bootstrap, config),
        "popularity": _of(popular, others, popularity, bootstrap, config),
        "random": {f"ndcg@{K}": mean_of(random.ndcg), f"recall@{K}": mean_of(random.recall)},
        "below_popularity": None,
    }
    figures["model"]["personal_lists"], figures["model"]["lists_compared"] = personal_share(
        lists[lists[RANK] <= K], rated, catalogue=len(catalogue), k=K
    )
    if bootstrap:
        least = (1 - config.gate.max_list_loss) * bootstrap.means(others.recall)
        figures["below_popularity"] = chance(least - bootstrap.means(own.recall))
    return figures, lists if config.top_n >= K else make(n=config.top_n)


def _without_list(lists: pd.DataFrame, users: NDArray[np.int64], rated: pd.DataFrame, catalogue: int) -> int:
    """Users who have no list although there is something that they have not rated."""
    had = rated.groupby(USER)[EXPERIENCE].nunique().reindex(users, fill_value=0).to_numpy()
    return int(np.count_nonzero(~np.isin(users, lists[USER]) & (had < catalogue)))


def _of(
    lists: pd.DataFrame, found: ListFigures, popularity: pd.Series, bootstrap: Bootstrap | None, config: Config
) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for name, values in ((f"ndcg@{K}", found.ndcg), (f"recall@{K}", found.recall)):
        figures[name] = mean_of(values)
        figures[f"{name}_interval"] = bootstrap and interval(bootstrap.means(values), config.evaluation.level)
    return {
        **figures,
        "coverage": coverage(lists, len(popularity)),
        "distinct_lists": distinct_share(lists),
        "exposure": exposure(lists),
        "popularity_bias": popularity_bias(lists, popularity),
    }
