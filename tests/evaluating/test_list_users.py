"""Whose lists are looked at: strangers, people who have rated everything, a part of very many."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from recommender_job.evaluating import list_figures as stage
from recommender_job.evaluating.list_figures import list_figures
from recommender_job.ranking.ids import IdMap
from recommender_job.ranking.relevance import RelevanceModel
from tests.evaluating.small_world import LISTS, PAIRS, SIX, TRAINING, WANTED, by_user, configured, figures
from tests.evaluating.worlds import ratings


def test_who_has_rated_everything_gets_no_list_and_is_not_missed() -> None:
    training = pd.concat([TRAINING, ratings([(5, e, 4.0) for e in range(1, 15)])], ignore_index=True)
    pairs = pd.concat([PAIRS, ratings([(5, 77, 5.0)])], ignore_index=True)
    found, lists = list_figures(SIX, WANTED, training, pairs, configured())
    assert (found["users"], found["users_without_list"], found["users_who_liked"]) == (4, 0, 3)
    assert found["model"]["recall@10"] == pytest.approx(2 / 3)
    assert found["random"]["recall@10"] == pytest.approx(2 * 10 / 12 / 3)
    assert set(lists["user_id"]) == {1, 2, 3}


def test_who_gets_no_list_though_something_is_left_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    # No model does that; but whatever will, the gate must hear of it.
    made = stage.configured_lists

    def forgetful(*given: Any, **more: Any) -> pd.DataFrame:
        lists = made(*given, **more)
        return lists[~lists["user_id"].isin([2, 6, 99])]

    monkeypatch.setattr(stage, "configured_lists", forgetful)
    # User 5 has rated everything, user 6 all but one, user 99 nothing.
    training = pd.concat(
        [TRAINING, ratings([(5, e, 4.0) for e in range(1, 15)] + [(6, e, 4.0) for e in range(1, 14)])],
        ignore_index=True,
    )
    pairs = pd.concat([PAIRS, ratings([(5, 77, 5.0), (6, 14, 5.0), (99, 1, 5.0)])], ignore_index=True)
    found, _ = list_figures(SIX, WANTED, training, pairs, configured())
    assert (found["users"], found["users_without_list"]) == (6, 3)


def test_strangers_are_shown_a_list_too() -> None:
    found, lists = figures(pairs=ratings([(99, 14, 5), (99, 88, 5)]))
    assert by_user(lists) == {99: list(range(14, 4, -1))}
    assert found["model"]["recall@10"] == 0.5  # 88 is in nobody's reach
    assert found["random"]["recall@10"] == pytest.approx(10 / 14 / 2)
    assert (found["model"]["personal_lists"], found["model"]["lists_compared"]) == (None, 0)


def test_of_many_users_some_are_asked() -> None:
    pairs = ratings([(user, 5 + user % 10, 5.0) for user in range(100, 200)])
    found, lists = figures(pairs=pairs, evaluation__list_users=20)
    asked = set(lists["user_id"])
    assert (found["users"], found["users_who_liked"], len(asked)) == (20, 20, 20)
    assert asked < set(pairs["user_id"])
    held = pairs[pairs["user_id"].isin(asked)]
    alone, again = figures(pairs=held)
    pd.testing.assert_frame_equal(lists, again)
    assert alone == found
    assert set(figures(pairs=pairs, evaluation__list_users=20)[1]["user_id"]) == asked
    assert set(figures(pairs=pairs, evaluation__list_users=20, seed=1)[1]["user_id"]) != asked


def test_ids_of_any_size() -> None:
    big = 2**62
    shifted = [frame.assign(user_id=frame["user_id"] + big, experience_id=-frame["experience_id"]) for frame in
               (TRAINING, PAIRS)]  # fmt: skip
    backwards = RelevanceModel(
        IdMap(WANTED.users.ids + big), IdMap(-WANTED.experiences.ids[::-1]), WANTED.matrix[:, ::-1], WANTED.factors,
        WANTED.share[::-1], 1.0,
    )  # fmt: skip
    _, lists = list_figures(SIX, backwards, *shifted, configured())
    assert by_user(lists) == {user + big: [-e for e in own] for user, own in LISTS.items()}
