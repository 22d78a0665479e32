"""The answer to hold lists against: every pair on its own, with dictionaries and sorting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pandas as pd

from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.relevance import RelevanceModel
from recommender_job.ranking.trained import TrainedModel
from recommender_job.scoring.lists import top_lists
from recommender_job.scoring.rules import Rules

SCALE = (1.0, 5.0)
Row = tuple[int, int, int, float]


def alone(model: TrainedModel) -> Predictor:
    """The predictor of one network."""
    return Predictor(((1.0, model),))


def relevance_of_pairs(
    relevance: RelevanceModel, users: np.ndarray, experiences: np.ndarray, rated: pd.DataFrame
) -> dict[tuple[int, int], float]:
    """Relevance of each (user, experience), a product at a time; 0 for an experience that it does not know."""
    had = set(rated.itertuples(index=False, name=None))
    people, things = relevance.users.ids.tolist(), relevance.experiences.ids.tolist()
    found = {}
    for user in users.tolist():
        if relevance.factors is None:
            features = [float((user, thing) in had) for thing in things]
        else:
            features = relevance.factors[people.index(user) + 1].tolist() if user in people else [0.0] * 3
        for experience in experiences.tolist():
            total = 0.0
            if experience in things:
                column = things.index(experience)
                total = relevance.popularity_weight * float(relevance.share[column])
                total += sum(x * y for x, y in zip(features, relevance.matrix[:, column].tolist(), strict=False))
            found[user, experience] = total
    return found


def brute_force(
    predictor: Predictor,
    users: np.ndarray,
    experiences: np.ndarray,
    rated: pd.DataFrame,
    n: int,
    relevance: RelevanceModel | None = None,
    candidates: int = 0,
    by_relevance: bool = False,
    rules: Rules | None = None,
    opt_outs: pd.DataFrame | None = None,
) -> list[Row]:
    """Rated pairs left out; the most relevant picked, of these the n best kept; ties in the order of the ids."""
    if rules:
        return _brute_force_with_rules(
            predictor, users, experiences, rated, n, relevance, candidates, by_relevance, rules, opt_outs
        )
    had = _pairs(rated, opt_outs)
    every = [(int(u), int(e)) for u in users for e in experiences]
    score = dict(zip(every, predictor.predict(*np.array(every, np.int64).T).tolist(), strict=True))
    wanted = relevance_of_pairs(relevance, users, experiences, rated) if relevance else {}
    rows = []
    for user in users.tolist():
        left = [e for e in experiences.tolist() if (user, e) not in had]
        if relevance:
            left = sorted(left, key=lambda e: (-wanted[user, e], e))[:candidates]
        best = sorted(left, key=lambda e: (-(wanted if by_relevance else score)[user, e], e))[:n]
        rows += [(user, rank, e, min(max(score[user, e], 1.0), 5.0)) for rank, e in enumerate(best, 1)]
    return rows


def _pairs(*frames: pd.DataFrame | None) -> set[tuple[int, int]]:
    return {pair for frame in frames if frame is not None for pair in frame.itertuples(index=False, name=None)}


def walk(
    order: list[int], pins: list[int], group: Callable[[int], int], cap: int | None, enough: int
) -> tuple[list[int], list[int]]:
    """The first experiences of an order, pinned ones before all, at most `cap` of a group: pinned ones, and others."""
    found: list[int] = []
    taken = Counter[int]()
    for experience in [pin for pin in pins if pin in order] + [one for one in order if one not in pins]:
        if len(found) < enough and (cap is None or taken[group(experience)] < cap):
            found.append(experience)
            taken[group(experience)] += 1
    return [one for one in found if one in pins], [one for one in found if one not in pins]


def _brute_force_with_rules(
    predictor: Predictor,
    users: np.ndarray,
    experiences: np.ndarray,
    rated: pd.DataFrame,
    n: int,
    relevance: RelevanceModel | None,
    candidates: int,
    by_relevance: bool,
    rules: Rules,
    opt_outs: pd.DataFrame | None,
) -> list[Row]:
    ids = experiences.tolist()
    pins = [ids[place] for place in rules.pinned]
    out = _pairs(rated, opt_outs)
    wanted = relevance_of_pairs(relevance, users, experiences, rated) if relevance else {}
    every = predictor.predict(np.repeat(users, len(ids)), np.tile(experiences, len(users))).reshape(len(users), -1)
    rows = []
    for user, scores in zip(users.tolist(), every.tolist(), strict=True):
        score = dict(zip(ids, scores, strict=True))
        pick = {e: wanted[user, e] for e in ids} if relevance else score
        last = pick if by_relevance else score
        left = sorted((e for e in ids if (user, e) not in out), key=lambda e, pick=pick: (-pick[e], e))
        enough = max(candidates, n) if relevance else n
        front, others = walk(left, pins, lambda e: rules.group[ids.index(e)], rules.max_per_group, enough)
        best = [*front, *sorted(others, key=lambda e, last=last: (-last[e], e))][:n]
        rows += [(user, rank, e, min(max(score[e], 1.0), 5.0)) for rank, e in enumerate(best, 1)]
    return rows


def listed(
    predictor: Predictor,
    users: np.ndarray,
    experiences: np.ndarray,
    rated: pd.DataFrame,
    n: int,
    block_pairs: int = 37,
    relevance: RelevanceModel | None = None,
    candidates: int = 0,
    by_relevance: bool = False,
    rules: Rules | None = None,
    opt_outs: pd.DataFrame | None = None,
) -> list[Row]:
    """The same of the code under test, as tuples of a frame whose columns and types are as promised."""
    found = top_lists(
        predictor,
        users,
        experiences,
        rated,
        opt_outs,
        n=n,
        scale=SCALE,
        block_pairs=block_pairs,
        relevance=relevance,
        candidates=candidates,
        order_by="relevance" if by_relevance else "predicted_rating",
        rules=rules,
    )
    assert list(found.columns) == ["user_id", "rank", "experience_id", "predicted_rating"]
    assert [str(kind) for kind in found.dtypes] == ["int64", "int16", "int64", "float32"]
    return list(found.itertuples(index=False, name=None))


def some_rated(users: np.ndarray, experiences: np.ndarray) -> pd.DataFrame:
    """About a third of the pairs, and ratings of users and experiences that are not asked for."""
    every = [(int(u), int(e)) for u in users for e in experiences]
    chosen = np.random.default_rng(2).random(len(every)) < 0.3
    rows = [pair for pair, is_rated in zip(every, chosen, strict=True) if is_rated]
    # Relevance knows 99, so that this rating tells it something.
    elsewhere = [(77, int(experiences[0])), (int(users[0]), 77), (int(users[0]), 99)]
    return pd.DataFrame([*rows, *elsewhere], columns=["user_id", "experience_id"])
