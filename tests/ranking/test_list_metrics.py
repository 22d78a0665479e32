"""List metrics, by hand and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from recommender_job.ranking.list_metrics import list_metrics


def lists(of: dict[int, list[int]]) -> pd.DataFrame:
    rows = [(user, rank, e) for user, best in of.items() for rank, e in enumerate(best, 1)]
    return pd.DataFrame(rows, columns=["user_id", "rank", "experience_id"]).astype({"rank": "int16"})


def liked(*pairs: tuple[int, int]) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=["user_id", "experience_id"], dtype="int64")


def test_by_hand() -> None:
    found = list_metrics(
        lists({1: [10, 20, 30], 2: [20, 30, 10]}), liked((1, 10), (1, 30), (2, 10), (2, 99)), k=3, catalogue=4
    )
    log = math.log2
    ideal = 1 + 1 / log(3)
    assert found == {
        "ndcg@3": pytest.approx(((1 + 1 / log(4)) / ideal + (1 / log(4)) / ideal) / 2),
        "recall@3": pytest.approx((1 + 0.5) / 2),
        "coverage": 0.75,
    }


def test_ranks_beyond_k_do_not_count() -> None:
    found = list_metrics(lists({1: [10, 20, 30]}), liked((1, 30)), k=2, catalogue=3)
    assert found == {"ndcg@2": 0.0, "recall@2": 0.0, "coverage": 2 / 3}


def test_more_liked_than_fit_in_a_list() -> None:
    # Both places hold a liked one: as good as a list of two can be, though it finds two of three.
    found = list_metrics(lists({1: [10, 20]}), liked((1, 10), (1, 20), (1, 30)), k=2, catalogue=3)
    assert found["ndcg@2"] == pytest.approx(1.0)
    assert found["recall@2"] == pytest.approx(2 / 3)


def test_who_liked_nothing_does_not_count_and_who_has_no_list_scores_zero() -> None:
    found = list_metrics(lists({1: [10], 2: [20]}), liked((1, 10), (3, 10)), k=1, catalogue=2)
    assert found == {"ndcg@1": 0.5, "recall@1": 0.5, "coverage": 1.0}


def test_nobody_liked_anything() -> None:
    found = list_metrics(lists({1: [10]}), liked(), k=10, catalogue=5)
    assert math.isnan(found["ndcg@10"])
    assert math.isnan(found["recall@10"])
    assert found["coverage"] == 0.2


def test_an_empty_catalogue_has_no_coverage() -> None:
    assert math.isnan(list_metrics(lists({}), liked((1, 1)), k=10, catalogue=0)["coverage"])


@given(st.data())
def test_ndcg_and_recall_are_those_of_the_textbook(data: st.DataObject) -> None:
    catalogue = list(range(data.draw(st.integers(2, 8))))
    k = data.draw(st.integers(1, 8))
    users = range(data.draw(st.integers(1, 4)))
    ranked = {user: data.draw(st.permutations(catalogue)) for user in users}
    wanted = {user: data.draw(st.sets(st.sampled_from(catalogue), min_size=1)) for user in users}
    found = list_metrics(
        lists(ranked), liked(*((u, e) for u in users for e in wanted[u])), k=k, catalogue=len(catalogue)
    )
    relevant = [[float(e in wanted[user]) for e in catalogue] for user in users]
    score = [[-ranked[user].index(e) for e in catalogue] for user in users]
    assert found[f"ndcg@{k}"] == pytest.approx(ndcg_score(relevant, score, k=k))
    recall = np.mean([len(wanted[u] & set(ranked[u][:k])) / len(wanted[u]) for u in users])
    assert found[f"recall@{k}"] == pytest.approx(recall)
