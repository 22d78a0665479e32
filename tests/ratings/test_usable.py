"""Which rows are refused, and why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_job.ratings.usable import split_rejected
from recommender_job.runs import Run
from tests.ratings.plain import why_refused
from tests.ratings.worlds import as_rows, source_ratings, source_rows

RUN = Run.at(datetime(2023, 2, 1, tzinfo=UTC))
KNOWN_USERS, KNOWN_EXPERIENCES = [1, 2, 3], [1, 2]
NAN = float("nan")
#: Minutes between these moments and the start of 2023.
FROM_1900, UNTIL_CUTOFF = 64_692_000, 31 * 24 * 60
FROM_YEAR_1, UNTIL_YEAR_9999 = 1_063_468_800, 4_195_494_719
BAD_ROWS = [
    ((1, 1, NAN, 0, 0), "rating", "is missing or not a number"),
    ((1, 1, None, 0, 0), "rating", "is missing or not a number"),
    ((1, 1, 0.5, 0, 0), "rating", "is outside the scale 1 to 5"),
    ((1, 1, 5.5, 0, 0), "rating", "is outside the scale 1 to 5"),
    ((1, 1, float("inf"), 0, 0), "rating", "is outside the scale 1 to 5"),
    ((9, 1, 3, 0, 0), "user_id", "is not in users"),
    ((1, 9, 3, 0, 0), "experience_id", "is not in experiences"),
    ((9, 9, 9, 0, 0), "rating", "is outside the scale 1 to 5"),
    ((1, 1, 3, -FROM_1900 - 1, 0), "rated_at", "lies before 1900"),
    ((1, 1, 3, -FROM_YEAR_1, 0), "rated_at", "lies before 1900"),
    ((1, 1, 3, UNTIL_CUTOFF, 0), "rated_at", "is not before the cutoff"),
    ((1, 1, 3, UNTIL_YEAR_9999, 0), "rated_at", "is not before the cutoff"),
]
#: The first and the last moment that a rating may have.
EDGE_ROWS = [(1, 1, 5, -FROM_1900, 0), (2, 2, 1, UNTIL_CUTOFF - 1, 0)]
GOOD_ROWS = [(1, 1, 5, 10, 10), (2, 2, 1, 11, 11), (3, 1, 3.5, 12, 12)]
RATINGS_OF_ALL_KINDS = st.one_of(
    st.none(), st.sampled_from([NAN, float("inf"), float("-inf"), 1.0, 5.0, 0.9999, 5.0001, 1e38]), st.floats(1, 5)
)
MINUTES_OF_ALL_KINDS = st.one_of(
    st.integers(0, 3),
    st.sampled_from([-FROM_YEAR_1, -FROM_1900 - 1, -FROM_1900, UNTIL_CUTOFF - 1, UNTIL_CUTOFF, UNTIL_YEAR_9999]),
)


def separate(
    *rows: Any, scale: tuple[float, float] = (1, 5), users: list[int] = KNOWN_USERS
) -> tuple[pd.DataFrame, pd.DataFrame]:
    return split_rejected(
        source_ratings(*rows),
        users=np.array(users, np.int64),
        experiences=np.array(KNOWN_EXPERIENCES, np.int64),
        scale=scale,
        cutoff=RUN.cutoff,
    )


@pytest.mark.parametrize(("row", "column", "reason"), BAD_ROWS)
def test_a_bad_row_is_refused_with_its_reason(row: Any, column: str, reason: str) -> None:
    good, rejected = separate(GOOD_ROWS[0], row, *GOOD_ROWS[1:])
    assert as_rows(good) == [tuple(map(float, good_row)) for good_row in GOOD_ROWS]
    assert rejected[["column_name", "reason"]].to_numpy().tolist() == [[column, reason]]


def test_without_users_every_row_is_refused() -> None:
    good, rejected = separate(*GOOD_ROWS, users=[])
    assert (len(good), set(rejected["reason"])) == (0, {"is not in users"})


def test_the_ends_of_the_scale_belong_to_it() -> None:
    """Ratings are stored in single precision: 4.3 is then a little more than 4.3."""
    good, rejected = separate((1, 1, 0.1, 0, 0), (1, 2, 4.3, 0, 0), (2, 1, 4.31, 0, 0), scale=(0.1, 4.3))
    assert (len(good), len(rejected)) == (2, 1)


def test_the_first_and_the_last_moment_belong_to_it() -> None:
    good, rejected = separate(*EDGE_ROWS)
    assert (len(good), len(rejected)) == (2, 0)


@given(source_rows())
def test_no_row_is_lost_or_doubled(rows: list[tuple[int, int, float, int, int]]) -> None:
    good, rejected = separate(*rows, scale=(2, 4))
    assert sorted(as_rows(good) + as_rows(rejected.iloc[:, :5])) == sorted(as_rows(source_ratings(*rows)))
    assert all(row[1] in KNOWN_EXPERIENCES and 2 <= row[2] <= 4 for row in as_rows(good))
    assert not any(row[1] in KNOWN_EXPERIENCES and 2 <= row[2] <= 4 for row in as_rows(rejected))


@given(
    st.lists(
        st.tuples(
            st.sampled_from([1, 2, 9, -(2**63)]), st.sampled_from([1, 2, 2**63 - 1]),
            RATINGS_OF_ALL_KINDS, MINUTES_OF_ALL_KINDS, st.integers(0, 3),
        ),
        max_size=12,
    )
)  # fmt: skip
def test_every_row_is_refused_for_the_first_thing_that_is_wrong_with_it(rows: list[Any]) -> None:
    snapshot = source_ratings(*rows)
    good, rejected = separate(*rows)
    whys = why_refused(snapshot, RUN, users=KNOWN_USERS, experiences=KNOWN_EXPERIENCES)
    assert list(good.index) == [place for place, why in enumerate(whys) if not why[1]]
    assert list(zip(rejected["column_name"], rejected["reason"], strict=True)) == [why for why in whys if why[1]]
    pd.testing.assert_frame_equal(rejected[snapshot.columns], snapshot.loc[rejected.index])
