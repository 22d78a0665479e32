"""What lists show, and whether they differ for anything but what each user has rated."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_job.ranking.list_metrics import coverage, distinct_share, exposure, personal_share, popularity_bias

EMPTY: dict[int, list[int]] = {}


def lists(of: dict[int, list[int]]) -> pd.DataFrame:
    rows = [(user, rank, e) for user, best in of.items() for rank, e in enumerate(best, 1)]
    return pd.DataFrame(rows, columns=["user_id", "rank", "experience_id"], dtype="int64")


def rated(of: dict[int, list[int]]) -> pd.DataFrame:
    rows = [(user, e) for user, own in of.items() for e in own]
    return pd.DataFrame(rows, columns=["user_id", "experience_id"], dtype="int64")


def personal(shown: pd.DataFrame, had: pd.DataFrame, *, k: int) -> tuple[float | None, int]:
    """Of a catalogue that is what anybody has rated."""
    return personal_share(shown, had, catalogue=had["experience_id"].nunique(), k=k)


def test_coverage_is_what_stands_in_any_list() -> None:
    assert coverage(lists({1: [10, 20], 2: [20, 30]}), 4) == 0.75
    assert coverage(lists(EMPTY), 4) == 0.0


def test_an_empty_catalogue_has_no_coverage() -> None:
    assert coverage(lists(EMPTY), 0) is None


def test_lists_of_the_same_experiences_in_another_order_are_not_distinct() -> None:
    assert distinct_share(lists({1: [10, 20], 2: [20, 10], 3: [10, 30], 4: [10]})) == 0.75
    assert distinct_share(lists({1: [10, 20], 2: [20, 10]})) == 0.5
    assert distinct_share(lists(EMPTY)) is None


def test_exposure_is_the_share_of_lists_with_the_most_shown() -> None:
    assert exposure(lists({1: [10, 20], 2: [20, 30], 3: [40, 20], 4: [10, 30]})) == 0.75
    assert exposure(lists(EMPTY)) is None


def test_lists_that_only_leave_out_what_each_user_rated_are_not_personal() -> None:
    # Everybody is shown the first two of 10, 20, 30, 40 that are left: the lists differ, and yet are one list.
    had = {1: [40], 2: [10], 3: [20], 4: [30]}
    shown = {1: [10, 20], 2: [20, 30], 3: [10, 30], 4: [20, 10]}
    assert distinct_share(lists(shown)) == 0.75
    assert personal(lists(shown), rated(had), k=2) == (0.0, 4)


def test_lists_of_something_else_are_personal() -> None:
    # Nobody has rated 10, 20 or 30. Users 1 and 2 are shown the same, user 3 is not: two of three pairs differ.
    had = {1: [40], 2: [50], 3: [60], 4: [10, 20, 30, 40, 50, 60]}
    assert personal(lists({1: [10, 20], 2: [20, 10], 3: [10, 30]}), rated(had), k=2) == (pytest.approx(2 / 3), 3)
    assert personal(lists({1: [10, 20], 2: [30, 10], 3: [20, 30]}), rated(had), k=2) == (1.0, 3)


def test_two_users_are_compared_with_each_other_only() -> None:
    assert personal(lists({1: [10, 20], 2: [30, 50]}), rated({1: [40], 2: [60], 3: [10, 20, 30, 50]}), k=2) == (
        1.0,
        2,
    )


def test_each_of_five_is_compared_with_all_others() -> None:
    had = {1: [40], 2: [50], 3: [60], 4: [40], 5: [50], 6: [10, 20, 30, 40, 50, 60]}
    shown = {1: [10, 20], 2: [10, 20], 3: [10, 20], 4: [10, 30], 5: [10, 30]}
    # Three are shown the one list and two the other: six of ten pairs differ.
    assert personal(lists(shown), rated(had), k=2) == (0.6, 5)


def test_what_one_of_two_has_rated_does_not_make_their_lists_differ() -> None:
    # Without what the others have rated, the lists of 1, 2 and 3 are 30 and 40, 30 and 40, and 30.
    had = {1: [10], 2: [20], 3: [10, 20], 4: [10, 20, 30, 40, 50, 60]}
    assert personal(lists({1: [20, 30], 2: [10, 30], 3: [30, 40]}), rated(had), k=2) == (0.0, 3)
    # 50 is shown to user 3 before 40, which user 2 is shown before 50.
    assert personal(lists({1: [20, 30], 2: [30, 40], 3: [30, 50]}), rated(had), k=2)[0] == pytest.approx(1 / 3)


def test_users_who_are_new_or_have_no_more_than_a_list_left_do_not_count() -> None:
    # Of the catalogue of four, users 1 and 3 have three left, user 2 just two; user 9 is not known.
    had = {1: [40], 2: [10, 20], 3: [40], 4: [10, 20, 30, 40]}
    shown = {1: [10, 20], 2: [30, 40], 3: [10, 30], 9: [20, 30]}
    assert personal(lists({1: [10, 20], 2: [30, 40], 9: [20, 30]}), rated(had), k=2) == (None, 1)
    assert personal(lists(shown), rated(had), k=2)[1] == 2
    assert personal(lists({9: [20, 30]}), rated(had), k=2) == (None, 0)
    assert personal(lists(EMPTY), rated(had), k=2) == (None, 0)


@given(st.permutations(range(8)), st.lists(st.sets(st.integers(0, 7), min_size=1), min_size=2, max_size=9))
def test_one_order_for_everybody_is_never_personal(order: list[int], had: list[set[int]]) -> None:
    own = {user: sorted(taken) for user, taken in enumerate(had)}
    shown = {user: [e for e in order if e not in taken][:3] for user, taken in own.items()}
    share, counted = personal(lists(shown), rated({**own, 99: list(range(8))}), k=3)
    assert counted == sum(8 - len(taken) > 3 for taken in had)
    assert share == (0.0 if counted >= 2 else None)


def test_popularity_bias_is_what_is_shown_by_what_is_chosen() -> None:
    # 10 is rated three times, 20 once: users choose a popularity of (3·3 + 1·1) / 4 = 2.5.
    had = pd.Series({10: 3, 20: 1})
    assert popularity_bias(lists({1: [10], 2: [10]}), had) == pytest.approx(3 / 2.5)
    assert popularity_bias(lists({1: [10], 2: [20]}), had) == pytest.approx(2 / 2.5)
    # What nobody has rated is shown with a popularity of none.
    assert popularity_bias(lists({1: [10], 2: [99]}), had) == pytest.approx(1.5 / 2.5)
    assert popularity_bias(lists(EMPTY), had) is None
