"""The choice of relevance: planted worlds get what finds them, and its figure is that of the lists a night makes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender_job.config import Config, load_config
from recommender_job.ranking import relevance_selection
from recommender_job.ranking.bias import BiasModel
from recommender_job.ranking.folds import Fold, validation_folds
from recommender_job.ranking.list_metrics import list_metrics
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.recipe import RelevancePart
from recommender_job.ranking.relevance import train_relevance
from recommender_job.ranking.relevance_selection import choose_relevance
from recommender_job.scoring.lists import top_lists
from tests.ranking import worlds
from tests.ranking.worlds import ticking, without_seconds


def settings(holdout: str = "random", **relevance: Any) -> Config:
    return load_config({"holdout": holdout, **{f"relevance.{name}": value for name, value in relevance.items()}})


def chosen(ratings: pd.DataFrame, config: Config, **changes: Any) -> tuple[RelevancePart, dict[str, Any]]:
    return choose_relevance(validation_folds(ratings, config), ratings["experience_id"].nunique(), config, **changes)


def ndcg_of_lists(folds: list[Fold], part: RelevancePart, config: Config) -> float:
    """Of the lists that scoring makes, ordered by relevance, over the users of all folds."""
    found = []
    for training, validation in folds:
        model = train_relevance(training, part, seed=config.seed)
        predictor = Predictor((), (1.0, BiasModel.fit(training, user_shrinkage=2, experience_shrinkage=2)))
        liked = validation[validation["rating"] >= config.relevant_rating]
        users, experiences = np.unique(liked["user_id"]), model.experiences.ids
        lists = top_lists(
            predictor,
            users,
            experiences,
            training,
            n=10,
            scale=(1, 5),
            block_pairs=10_000,
            relevance=model,
            candidates=10,
            order_by="relevance",
        )
        found.append(list_metrics(lists, liked, k=10).ndcg)
    return float(np.mean(np.concatenate(found)))


@pytest.mark.parametrize("holdout", ["last", "random"])
def test_where_experiences_are_taken_together_lists_are_personal(holdout: str) -> None:
    # With the last penalty nothing is learned: only popularity would be left.
    part, report = chosen(worlds.clusters(), settings(holdout, ease_l2=[1e12, 50.0], popularity=[10.0, 0.0]))
    assert (part.method, part.l2, part.popularity) == ("ease", 50.0, 0.0)
    _, popular = chosen(worlds.clusters(), settings(holdout, method="popularity"))
    assert report["ndcg@10"] > 3 * popular["ndcg@10"]


@pytest.mark.parametrize("holdout", ["last", "random"])
def test_where_all_draw_from_the_same_lot_popularity_weighs_much(holdout: str) -> None:
    part, report = chosen(worlds.popularity(), settings(holdout, ease_l2=[1.0, 2.0], popularity=[0.0, 0.1, 10.0]))
    assert part.popularity == 10.0
    _, without = chosen(worlds.popularity(), settings(holdout, ease_l2=[1.0, 2.0], popularity=[0.0]))
    assert report["ndcg@10"] > without["ndcg@10"] * 1.2


@pytest.mark.parametrize(("method", "holdout"), [("ease", "last"), ("ease", "random"), ("als", "random")])
def test_the_figure_is_that_of_the_lists_a_night_would_make(
    monkeypatch: pytest.MonkeyPatch, method: str, holdout: str
) -> None:
    # Every third user likes nothing, and few users stand in memory at once.
    ratings = worlds.popularity()
    ratings["rating"] = np.where(ratings["user_id"] % 3 == 0, 3, 4).astype(np.float32)
    monkeypatch.setattr(relevance_selection, "BLOCK_PAIRS", 60 * 7 + 5)
    config = settings(holdout, method=method, ease_l2=[20.0, 200.0], als_l2=[15.0], popularity=[0.1, 1.0])
    folds = validation_folds(ratings, config)
    part, report = choose_relevance(folds, 60, config)
    assert report["ndcg@10"] == pytest.approx(ndcg_of_lists(folds, part, config))
    scores = {}
    for l2 in config.relevance.ease_l2 if method == "ease" else config.relevance.als_l2:
        for power in config.relevance.activity_power if method == "ease" else [0.0]:
            for weight in config.relevance.popularity:
                other = RelevancePart(method=method, l2=l2, activity_power=power, popularity=weight)
                scores[other] = ndcg_of_lists(folds, other, config)
    assert report["tried"] == len(scores)
    assert scores[part] == pytest.approx(max(scores.values()))


def test_short_catalogues_have_shorter_lists() -> None:
    # Some users have but one rating; where it is held out, they can be shown everything.
    ratings = worlds.clusters(groups=1, size=6, take=3)
    ratings = ratings[(ratings["user_id"] > 60) | ~ratings["user_id"].duplicated()].reset_index(drop=True)
    config = settings(ease_l2=[5.0, 50.0], activity_power=[0.0], popularity=[0.1])
    folds = validation_folds(ratings, config)
    assert not set(folds[0].validation["user_id"]) <= set(folds[0].training["user_id"])
    part, report = choose_relevance(folds, 6, config)
    assert report["ndcg@10"] == pytest.approx(ndcg_of_lists(folds, part, config))


def test_long_catalogues_are_ordered_too() -> None:
    ratings = worlds.popularity(users=300, experiences=700, take=8)
    config = settings(ease_l2=[20.0, 50.0], activity_power=[0.0], popularity=[0.1])
    folds = validation_folds(ratings, config)
    part, report = choose_relevance(folds, ratings["experience_id"].nunique(), config)
    assert report["ndcg@10"] == pytest.approx(ndcg_of_lists(folds, part, config), rel=1e-3)


def test_where_nobody_liked_anything_the_first_values_are_taken() -> None:
    ratings = worlds.clusters().assign(rating=np.float32(3))
    config = settings(ease_l2=[70.0, 5.0], activity_power=[0.25, 0.0], popularity=[0.2, 1.0])
    part, report = chosen(ratings, config)
    assert part == RelevancePart(method="ease", l2=70.0, activity_power=0.25, popularity=0.2)
    assert (report["ndcg@10"], report["tried"]) == (None, 0)
    assert choose_relevance([], 40, config)[0] == part


def test_a_single_setting_is_not_compared_with_itself() -> None:
    config = settings(ease_l2=[70.0], activity_power=[0.25], popularity=[0.2])
    part, report = chosen(worlds.clusters(), config)
    assert part == RelevancePart(method="ease", l2=70.0, activity_power=0.25, popularity=0.2)
    assert (report["ndcg@10"], report["tried"]) == (None, 0)


@pytest.mark.parametrize(("models", "tried"), [(1, 2), (2, 4), (3, 6), (9, 8)])
def test_when_half_the_budget_is_spent_the_best_so_far_is_taken(models: int, tried: int) -> None:
    # The clock is looked at once before every training but the first; the last setting would be the best.
    config = load_config(
        {
            "holdout": "random",
            "selection.budget_seconds": 2 * models - 1,
            "relevance.ease_l2": [1e12, 1e11, 1e10, 50.0],
            "relevance.activity_power": [0.0],
            "relevance.popularity": [0.0, 0.1],
        }
    )
    part, report = chosen(worlds.clusters(), config, clock=ticking())
    assert report["tried"] == tried
    assert (part.l2 == 50.0) == (tried == 8)


def test_the_method_goes_by_the_size_of_the_catalogue() -> None:
    config = settings(ease_up_to=40, als_l2=[7.0], ease_l2=[8.0])
    assert choose_relevance([], 40, config)[0].method == "ease"
    part, _ = choose_relevance([], 41, config)
    assert (part.method, part.l2) == ("als", 7.0)
    assert choose_relevance([], 41, settings(ease_up_to=40, method="ease"))[0].method == "ease"
    assert choose_relevance([], 41, settings(method="als"))[0].method == "als"
    assert choose_relevance([], 41, settings(method="popularity"))[0].method == "popularity"


def test_of_many_users_some_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    config = settings(ease_l2=[5.0, 50.0], popularity=[0.1])
    everybody = chosen(worlds.clusters(), config)[1]
    monkeypatch.setattr(relevance_selection, "USERS", 10)
    some = chosen(worlds.clusters(), config)[1]
    assert some["ndcg@10"] != everybody["ndcg@10"]
    assert without_seconds(chosen(worlds.clusters(), config)[1]) == without_seconds(some)
    # A mean over ten users of two folds; nobody scores more than one.
    assert 0 < some["ndcg@10"] <= 1


def test_the_report_can_be_kept_as_json_and_says_what_was_chosen() -> None:
    part, report = chosen(worlds.clusters(), settings(popularity=[0.1, 0.3]))
    assert report.keys() == {"method", "l2", "activity_power", "popularity", "ndcg@10", "tried", "seconds"}
    assert {name: report[name] for name in part.model_dump()} == part.model_dump()
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert without_seconds(chosen(worlds.clusters(), settings(popularity=[0.1, 0.3]))[1]) == without_seconds(report)
