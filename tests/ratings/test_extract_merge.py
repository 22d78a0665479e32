"""Merging what is new into what is known: properties that hold for any rows."""

from __future__ import annotations

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from recommender_job.ratings.extract import count_fresh, merge
from tests.ratings.worlds import as_rows, source_ratings, source_rows

NOTHING = source_ratings()


def test_of_rows_with_the_same_key_the_one_updated_last_stays() -> None:
    old = source_ratings((1, 1, 5, 10, 10), (1, 2, 4, 10, 10), (2, 1, 3, 10, 30))
    new = source_ratings((1, 1, 2, 10, 20), (1, 1, 1, 11, 20), (2, 1, 1, 10, 20))
    assert as_rows(merge(old, new)) == [
        (1, 1, 2.0, 10.0, 20.0),
        (1, 1, 1.0, 11.0, 20.0),
        (1, 2, 4.0, 10.0, 10.0),
        (2, 1, 3.0, 10.0, 30.0),
    ]


def test_rows_count_as_fresh_when_unknown_or_newer_than_known() -> None:
    old = source_ratings((1, 1, 5, 10, 10), (1, 2, 4, 10, 10), (2, 1, 3, 10, 30))
    read_again, corrected = (1, 1, 5, 10, 10), (1, 2, 3, 10, 11)
    out_of_date, other_moment, unknown = (2, 1, 1, 10, 20), (1, 1, 5, 11, 10), (3, 3, 3, 10, 10)
    assert count_fresh(old, source_ratings(read_again)) == 0
    assert count_fresh(old, source_ratings(out_of_date)) == 0
    assert count_fresh(old, source_ratings(corrected)) == 1
    assert count_fresh(old, source_ratings(other_moment)) == 1
    assert count_fresh(old, source_ratings(read_again, corrected, out_of_date, other_moment, unknown)) == 3
    assert count_fresh(NOTHING, old) == 3
    assert count_fresh(old, NOTHING) == 0


@given(source_rows())
def test_the_order_of_rows_does_not_matter(rows: list[tuple[int, int, float, int, int]]) -> None:
    expected = merge(NOTHING, source_ratings(*rows))
    pd.testing.assert_frame_equal(merge(NOTHING, source_ratings(*reversed(rows))), expected)
    pd.testing.assert_frame_equal(merge(source_ratings(*sorted(rows)), NOTHING), expected)


@given(source_rows(), st.data())
def test_merging_in_any_two_steps_equals_merging_at_once(
    rows: list[tuple[int, int, float, int, int]], data: st.DataObject
) -> None:
    in_old = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    in_new = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    old = merge(NOTHING, source_ratings(*(row for row, chosen in zip(rows, in_old, strict=True) if chosen)))
    # What the old lacks must be in the new; the look-back reads some rows a second time.
    new = [row for row, known, again in zip(rows, in_old, in_new, strict=True) if again or not known]
    pd.testing.assert_frame_equal(merge(old, source_ratings(*new)), merge(NOTHING, source_ratings(*rows)))


@given(source_rows(), source_rows())
def test_each_key_stays_once_and_none_is_lost(
    old: list[tuple[int, int, float, int, int]], new: list[tuple[int, int, float, int, int]]
) -> None:
    merged = as_rows(merge(source_ratings(*old), source_ratings(*new)))
    keys = [(user, experience, rated) for user, experience, _, rated, _ in merged]
    assert len(set(keys)) == len(keys)
    assert set(keys) == {(user, experience, rated) for user, experience, _, rated, _ in [*old, *new]}
    for user, experience, rating, rated, updated in merged:
        rivals = [row for row in [*old, *new] if (row[0], row[1], row[3]) == (user, experience, rated)]
        assert updated == max(row[4] for row in rivals)
        assert rating == max(row[2] for row in rivals if row[4] == updated)


@given(source_rows())
def test_reading_the_same_rows_again_finds_nothing_fresh(rows: list[tuple[int, int, float, int, int]]) -> None:
    frame = source_ratings(*rows)
    assert count_fresh(merge(NOTHING, frame), frame) == 0
    assert count_fresh(NOTHING, frame) == len(rows)


def test_the_callers_frames_are_not_changed() -> None:
    old, new = source_ratings((2, 1, 5, 10, 10)), source_ratings((1, 1, 5, 10, 10))
    merge(old, new)
    assert as_rows(old) == [(2, 1, 5.0, 10.0, 10.0)]
    assert as_rows(new) == [(1, 1, 5.0, 10.0, 10.0)]
