"""Figures of lists, by hand: what they hold, what they show, and what lists drawn by lot would."""

from __future__ import annotations

import numpy as np
import pytest

from tests.evaluating.small_world import LISTS, PAIRS, by_user, figures, gain
from tests.evaluating.worlds import ratings


def test_the_lists_by_hand() -> None:
    _, lists = figures()
    assert by_user(lists) == LISTS
    _, lists = figures(order_by="predicted_rating")
    # The same ten, the best rated first; equal ones by number.
    first_six = {user: [6, *sorted(set(own) - {6})] for user, own in LISTS.items()}
    assert by_user(lists) == first_six


def test_recall_and_ndcg_by_hand() -> None:
    found, _ = figures()
    assert (found["users"], found["users_without_list"], found["users_who_liked"]) == (3, 0, 2)
    # User 1 finds both in the first two places, user 2 finds 6 in the last.
    assert found["model"]["recall@10"] == pytest.approx(1)
    assert found["model"]["ndcg@10"] == pytest.approx((1 + gain(10)) / 2)
    # Popularity shows user 1 the experiences 3 to 12, and user 2 the experiences 2 and 4 to 12.
    assert found["popularity"]["recall@10"] == pytest.approx((1 / 2 + 1) / 2)
    assert found["popularity"]["ndcg@10"] == pytest.approx((gain(1) / gain(1, 2) + gain(4)) / 2)
    by_rating, _ = figures(order_by="predicted_rating")
    # User 1 finds 3 in second place, after 6, and 14 in the last; user 2 finds 6 in the first.
    assert by_rating["model"]["ndcg@10"] == pytest.approx((gain(2, 10) / gain(1, 2) + 1) / 2)
    assert by_rating["popularity"] == found["popularity"]


def test_what_is_shown_by_hand() -> None:
    found, _ = figures()
    own, popular = found["model"], found["popularity"]
    # 3 and 5 to 14; popularity: 1 to 12.
    assert (own["coverage"], popular["coverage"]) == (pytest.approx(11 / 14), pytest.approx(12 / 14))
    assert (own["distinct_lists"], popular["distinct_lists"]) == (pytest.approx(2 / 3), 1)
    assert (own["exposure"], popular["exposure"]) == (1, 1)
    # Of sixteen ratings, four are of something that two rated; of thirty places of popularity, two are.
    rated = (4 * 2 + 12) / 16
    assert own["popularity_bias"] == pytest.approx(1 / rated)
    assert popular["popularity_bias"] == pytest.approx((2 * 2 + 28) / 30 / rated)


def test_chance_by_drawing_lots() -> None:
    found, _ = figures()
    random = np.random.default_rng(1)
    scores = []
    for _ in range(20_000):
        one = random.permutation(np.arange(3, 15))[:10].tolist()
        two = random.permutation([2, *range(4, 15)])[:10].tolist()
        hits = [rank for rank, experience in enumerate(one, 1) if experience in (14, 3)]
        luck = [rank for rank, experience in enumerate(two, 1) if experience == 6]
        scores.append(((len(hits) / 2 + len(luck)) / 2, (gain(*hits) / gain(1, 2) + gain(*luck)) / 2))
    recall, ndcg = np.mean(scores, axis=0)
    assert found["random"]["recall@10"] == pytest.approx(recall, abs=0.01)
    assert found["random"]["ndcg@10"] == pytest.approx(ndcg, abs=0.01)


def test_longer_lists_do_not_change_the_figures_nor_do_shorter_ones() -> None:
    expected, _ = figures()
    longer, lists = figures(top_n=12)
    assert longer == expected
    assert {user: own[:10] for user, own in by_user(lists).items()} == LISTS
    assert lists.groupby("user_id")["rank"].max().to_dict() == {1: 12, 2: 12, 3: 12}
    shorter, lists = figures(top_n=3)
    assert shorter == expected
    assert by_user(lists) == {user: own[:3] for user, own in LISTS.items()}


def test_of_short_lists_those_of_the_night_are_handed_out() -> None:
    expected, ten = figures(order_by="predicted_rating")
    found, three = figures(order_by="predicted_rating", top_n=3)
    assert found == expected
    # Relevance picks as many as are shown. Experience 6, rated highest of ten, is not among the three.
    assert by_user(three) == {1: [3, 13, 14], 2: [5, 13, 14], 3: [12, 13, 14]}
    assert [own[0] for own in by_user(ten).values()] == [6, 6, 6]
    # With ten candidates for three places, it is.
    _, three = figures(order_by="predicted_rating", top_n=3, candidates_per_user=10)
    assert by_user(three) == {user: own[:3] for user, own in by_user(ten).items()}


def test_by_chance_nobody_is_shown_what_training_holds_already() -> None:
    # User 1 likes 1 again, which no list can hold, and 14; user 2 likes 1 again and nothing else.
    found, _ = figures(pairs=ratings([(1, 1, 5), (1, 14, 5), (2, 1, 5)]))
    assert found["users_who_liked"] == 2
    places = sum(gain(rank) for rank in range(1, 11))
    assert found["random"]["recall@10"] == pytest.approx((10 / 12 / 2 + 0) / 2)
    assert found["random"]["ndcg@10"] == pytest.approx((places / 12 / gain(1, 2) + 0) / 2)


def test_all_experiences_may_be_candidates() -> None:
    _, lists = figures(candidates_per_user="all", order_by="predicted_rating")
    # By predicted rating alone: 6, and then those with the lowest numbers.
    assert by_user(lists) == {
        1: [6, 3, 4, 5, 7, 8, 9, 10, 11, 12],
        2: [6, 2, 4, 5, 7, 8, 9, 10, 11, 12],
        3: [6, 1, 3, 4, 5, 7, 8, 9, 10, 11],
    }


def test_where_nobody_liked_anything_there_is_no_figure() -> None:
    found, lists = figures(pairs=PAIRS.assign(rating=np.float32(3)))
    assert (found["users"], found["users_who_liked"], found["below_popularity"]) == (3, 0, None)
    for side in ("model", "popularity", "random"):
        assert found[side]["recall@10"] is None
        assert found[side]["ndcg@10"] is None
    assert found["model"]["recall@10_interval"] is None
    assert found["model"]["coverage"] == pytest.approx(11 / 14)
    assert by_user(lists) == LISTS
    lower, _ = figures(pairs=PAIRS.assign(rating=np.float32(3)), relevant_rating=3)
    assert lower["users_who_liked"] == 3
