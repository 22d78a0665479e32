"""Small worlds for the evaluation tests: ratings, and models whose every prediction is written down."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from recommender_job.ranking.bias import BiasModel
from recommender_job.ranking.ids import IdMap
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.relevance import RelevanceModel

Deviations = dict[int, float]


def ratings(triples: Sequence[tuple[int, int, float]]) -> pd.DataFrame:
    """A frame of `tables.RATINGS` from (user, experience, rating), one a minute."""
    users, experiences, values = zip(*triples, strict=True)
    minutes = pd.to_timedelta(range(len(triples)), unit="min")
    return pd.DataFrame(
        {
            "user_id": np.array(users, np.int64),
            "experience_id": np.array(experiences, np.int64),
            "rating": np.array(values, np.float32),
            "rated_at": (pd.Timestamp("2023-01-01", tz="UTC") + minutes).astype("datetime64[us, UTC]"),
        }
    )


def predictor(mean: float, users: Deviations, experiences: Deviations) -> Predictor:
    """Predicts mean + user's deviation + experience's deviation; those not named deviate by nothing."""
    ids = [IdMap(np.array(sorted(table), np.int64)) for table in (users, experiences)]
    tables = [np.array([0.0, *(table[i] for i in sorted(table))]) for table in (users, experiences)]
    return Predictor((), (1.0, BiasModel(*ids, mean, *tables)))


def relevance(wanted: dict[int, Sequence[int]], experiences: Sequence[int]) -> RelevanceModel:
    """Finds for each user what is wanted, first things first, and then the others in the order given.

    Users who are not named are shown the experiences in the order given.
    """
    columns = IdMap(np.array(sorted(experiences), np.int64))
    users = IdMap(np.array(sorted(wanted), np.int64))
    size = len(experiences)
    factors = np.zeros((len(users) + 1, size), np.float32)
    for row, user in enumerate(users.ids.tolist(), 1):
        for place, experience in enumerate(wanted[user]):
            factors[row, columns.encode(np.array([experience]))[0] - 1] = 2 * size - place
    share = np.zeros(size, np.float32)
    for place, experience in enumerate(experiences):
        share[columns.encode(np.array([experience]))[0] - 1] = (size - place) / size
    return RelevanceModel(users, columns, np.eye(size, dtype=np.float32), factors, share, 1.0)


def taste_world(users: int, experiences: int, seed: int) -> pd.DataFrame:
    """Ratings of people in four circles, who mostly choose what their circle does and like it better.

    People differ in how generous they are, experiences in how good and how popular they are.
    """
    random = np.random.default_rng(seed)
    circle, theme = random.integers(0, 4, users), random.integers(0, 4, experiences)
    popularity = 1.0 / np.arange(1, experiences + 1) ** 0.7
    generosity, quality = random.normal(0, 0.6, users), random.normal(0, 0.4, experiences)
    rows = []
    for user in range(users):
        weight = popularity * np.where(theme == circle[user], 6.0, 1.0)
        chosen = random.choice(experiences, random.integers(2, 12), replace=False, p=weight / weight.sum())
        fit = np.where(theme[chosen] == circle[user], 0.4, -1.0)
        liking = 3.7 + generosity[user] + quality[chosen] + fit + random.normal(0, 0.4, len(chosen))
        rows += [(user + 1, e + 1, r) for e, r in zip(chosen.tolist(), np.clip(liking.round(), 1, 5), strict=True)]
    return ratings([rows[place] for place in random.permutation(len(rows))])
