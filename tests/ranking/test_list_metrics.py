"""NDCG and recall of lists, by hand and against scikit-learn, and what lists drawn by lot would score."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from recommender_job.ranking.list_metrics import by_chance, list_metrics, mean_of


def lists(of: dict[int, list[int]]) -> pd.DataFrame:
    rows = [(user, rank, e) for user, best in of.items() for rank, e in enumerate(best, 1)]
    return pd.DataFrame(rows, columns=["user_id", "rank", "experience_id"]).astype({"rank": "int16"})


def liked(*pairs: tuple[int, int]) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=["user_id", "experience_id"], dtype="int64")


def test_by_hand() -> None:
    found = list_metrics(lists({2: [20, 30, 10], 1: [10, 20, 30]}), liked((2, 10), (1, 10), (1, 30), (2, 99)), k=3)
    log = math.log2
    ideal = 1 + 1 / log(3)
    assert found.users.tolist() == [1, 2]
    assert found.ndcg.tolist() == pytest.approx([(1 + 1 / log(4)) / ideal, 1 / log(4) / ideal])
    assert found.recall.tolist() == [1, 0.5]


def test_ranks_beyond_k_do_not_count() -> None:
    found = list_metrics(lists({1: [10, 20, 30]}), liked((1, 30)), k=2)
    assert found.ndcg.tolist() == found.recall.tolist() == [0]


def test_more_liked_than_fit_in_a_list() -> None:
    # Both places hold a liked one: as good as a list of two can be, though it finds two of three.
    found = list_metrics(lists({1: [10, 20]}), liked((1, 10), (1, 20), (1, 30)), k=2)
    assert found.ndcg.tolist() == pytest.approx([1])
    assert found.recall.tolist() == pytest.approx([2 / 3])


def test_who_liked_nothing_does_not_count_and_who_has_no_list_scores_zero() -> None:
    found = list_metrics(lists({1: [10], 2: [20]}), liked((3, 10), (1, 10)), k=1)
    assert found.users.tolist() == [1, 3]
    assert found.ndcg.tolist() == found.recall.tolist() == [1, 0]
    assert mean_of(found.recall) == 0.5


def test_nobody_liked_anything() -> None:
    found = list_metrics(lists({1: [10]}), liked(), k=10)
    assert [len(values) for values in (found.users, found.ndcg, found.recall)] == [0, 0, 0]
    assert mean_of(found.ndcg) is None


@given(st.data())
def test_ndcg_and_recall_are_those_of_the_textbook(data: st.DataObject) -> None:
    catalogue = list(range(data.draw(st.integers(2, 8))))
    k = data.draw(st.integers(1, 8))
    users = range(data.draw(st.integers(1, 4)))
    ranked = {user: data.draw(st.permutations(catalogue)) for user in users}
    wanted = {user: data.draw(st.sets(st.sampled_from(catalogue), min_size=1)) for user in users}
    found = list_metrics(lists(ranked), liked(*((u, e) for u in users for e in wanted[u])), k=k)
    assert found.users.tolist() == list(users)
    for user in users:
        relevant = [[float(e in wanted[user]) for e in catalogue]]
        score = [[-ranked[user].index(e) for e in catalogue]]
        assert found.ndcg[user] == pytest.approx(ndcg_score(relevant, score, k=k))
        assert found.recall[user] == pytest.approx(len(wanted[user] & set(ranked[user][:k])) / len(wanted[user]))


@pytest.mark.parametrize("k", [1, 2, 3, 10])
def test_by_chance_is_the_mean_over_every_list_that_could_be_drawn(k: int) -> None:
    # The catalogue is 10 to 50. User 1 has four left of which 20 and 30 are liked; user 2 has two left and likes one of
    # them, and 99, which nobody could be shown, and 10 again; user 3, who is new, has all five left.
    had = {1: [10], 2: [10, 20, 30], 3: [], 4: [10, 20, 30, 40, 50]}
    training = liked(*((user, e) for user, own in had.items() for e in own))
    wanted = liked((1, 20), (1, 30), (2, 50), (2, 99), (2, 10), (3, 10))
    found = by_chance(training, wanted, catalogue=np.array([10, 20, 30, 40, 50]), k=k)
    assert found.users.tolist() == [1, 2, 3]
    for place, user in enumerate(found.users.tolist()):
        left = [e for e in (10, 20, 30, 40, 50) if e not in had[user]]
        drawn = [list(order) for order in itertools.permutations(left)]
        every = [list_metrics(lists({user: order}), wanted[wanted["user_id"] == user], k=k) for order in drawn]
        assert found.ndcg[place] == pytest.approx(np.mean([one.ndcg[0] for one in every])), user
        assert found.recall[place] == pytest.approx(np.mean([one.recall[0] for one in every])), user


def test_by_chance_where_everything_is_taken_is_nothing() -> None:
    found = by_chance(liked((1, 10), (1, 20)), liked((1, 30)), catalogue=np.array([10, 20]), k=5)
    assert found.ndcg.tolist() == found.recall.tolist() == [0]
