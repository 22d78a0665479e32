"""How `candidates_per_user` and `order_by` make lists."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from recommender_job.config import load_config
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.relevance import RelevanceModel
from recommender_job.scoring.lists import configured_lists
from tests.scoring.reference import brute_force, some_rated

Asked = tuple[np.ndarray, np.ndarray]
#: What relevance picks for lists of three, of ten experiences.
PICKED = {None: 3, 5: 5, "all": 10}


def configured(
    several: Predictor, relevance: RelevanceModel, asked: Asked, n: int = 3, **settings: Any
) -> list[tuple[Any, ...]]:
    config = load_config({"top_n": 3, "block_pairs": 30, **settings})
    found = configured_lists(config, several, relevance, *asked, some_rated(*asked), n=n)
    return list(found.itertuples(index=False, name=None))


@pytest.mark.parametrize("order_by", ["predicted_rating", "relevance"])
@pytest.mark.parametrize("candidates", PICKED)
@pytest.mark.parametrize("kind", ["interactions", "factors", "popularity"])
def test_lists_are_made_as_configured(
    several: Predictor, wanted: Callable[..., RelevanceModel], asked: Asked, kind: str, candidates: Any, order_by: str
) -> None:
    relevance = wanted(kind)
    found = configured(several, relevance, asked, candidates_per_user=candidates, order_by=order_by)
    by_relevance = order_by == "relevance"
    rated = some_rated(*asked)
    assert found == brute_force(several, *asked, rated, 3, relevance, PICKED[candidates], by_relevance)


def test_each_way_gives_other_lists(several: Predictor, wanted: Callable[..., RelevanceModel], asked: Asked) -> None:
    ways = [{"candidates_per_user": candidates} for candidates in PICKED] + [{"order_by": "relevance"}]
    made = [configured(several, wanted("interactions"), asked, **way) for way in ways]
    assert all(one != other for one, other in itertools.combinations(made, 2))


def test_the_original_way_does_without_relevance(
    several: Predictor, wanted: Callable[..., RelevanceModel], asked: Asked
) -> None:
    found = configured(several, wanted("factors"), asked, candidates_per_user="all")
    assert found == brute_force(several, *asked, some_rated(*asked), 3)


def test_longer_lists_than_the_configured_ones_have_as_many_candidates(
    several: Predictor, wanted: Callable[..., RelevanceModel], asked: Asked
) -> None:
    relevance = wanted("interactions")
    found = configured(several, relevance, asked, n=6)
    assert found == brute_force(several, *asked, some_rated(*asked), 6, relevance, 6)


def test_predicted_ratings_are_kept_within_the_configured_scale(
    several: Predictor, wanted: Callable[..., RelevanceModel], asked: Asked
) -> None:
    found = configured(several, wanted("factors"), asked, rating_min=3.25, rating_max=3.5, relevant_rating=3.5)
    assert {row[3] for row in found} == {3.25, 3.5} | {row[3] for row in found if 3.25 < row[3] < 3.5}
    assert {3.25, 3.5} <= {row[3] for row in found}
