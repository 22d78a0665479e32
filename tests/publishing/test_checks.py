"""Every rule of the table contract is held, and a good set of lists passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender_job.errors import OutputRefused
from recommender_job.publishing.checks import check_lists

USERS = np.array([1, 2, 3])
EXPERIENCES = np.array([10, 20, 30, 40])
#: User 1 has rated 10, user 2 three of four, user 3 only what is no longer offered.
RATED = pd.DataFrame({"user_id": [1, 2, 2, 2, 2, 3], "experience_id": [10, 10, 10, 20, 30, 99]})
GOOD = [
    (1, 1, 30, 5.0),
    (1, 2, 20, 1.0),
    (2, 1, 40, 3.5),
    (3, 1, 10, 4.0),
    (3, 2, 30, 4.0),
]


def frame(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    kinds = {"user_id": "int64", "rank": "int16", "experience_id": "int64", "predicted_rating": "float32"}
    return pd.DataFrame(rows, columns=list(kinds)).astype(kinds)


def check(rows: list[tuple[Any, ...]], users: np.ndarray = USERS, rated: pd.DataFrame = RATED) -> None:
    check_lists(frame(rows), users, EXPERIENCES, rated, n=2, scale=(1.0, 5.0))


def with_row(place: int, *row: Any) -> list[tuple[Any, ...]]:
    return [*GOOD[:place], row, *GOOD[place + 1 :]]


def test_a_good_set_passes() -> None:
    check(GOOD)


def test_nothing_rated_at_all_passes() -> None:
    check([(u, r, 10 * r, 3.0) for u in (1, 2, 3) for r in (1, 2)], rated=RATED.head(0))


def test_a_user_who_has_rated_everything_has_no_list() -> None:
    rated = pd.DataFrame({"user_id": [1] * 4, "experience_id": EXPERIENCES})
    check([], users=np.array([1]), rated=rated)


BROKEN = {
    "too short": (GOOD[:1] + GOOD[2:], "1 users break the contract; each has a list of the wrong length: 1 "),
    "missing": (GOOD[2:], "has a list of the wrong length: 1 "),
    "longer than what is left": ([*GOOD[:3], (2, 2, 20, 3.0), *GOOD[3:]], "has a list of the wrong length: 2 "),
    "longer than N": ([*GOOD, (3, 3, 20, 3.0)], "has a list of the wrong length: 3 "),
    "nobody has one": ([], "3 users break the contract; each has a list of the wrong length: 1, 2, 3 "),
    "foreign user": ([*GOOD, (4, 1, 10, 3.0)], "is not to be published in this shard: 4 "),
    "rank gap": (with_row(1, 1, 3, 20, 1.0), "has ranks that do not run 1, 2, 3 …: 1 "),
    "rank from zero": ([(1, 0, 30, 5.0), (1, 1, 20, 1.0), *GOOD[2:]], "has ranks that do not run 1, 2, 3 …: 1 "),
    "rank twice": (with_row(1, 1, 1, 20, 1.0), "has ranks that do not run 1, 2, 3 …: 1 "),
    "experience twice": (with_row(1, 1, 2, 30, 1.0), "has an experience twice: 1 "),
    "not eligible": (with_row(4, 3, 2, 99, 4.0), "has an experience that is not eligible: 3 "),
    "rated": (with_row(0, 1, 1, 10, 5.0), "has an experience that the user has rated: 1 "),
    "above the scale": (with_row(0, 1, 1, 30, 5.01), "has a predicted rating outside the scale: 1 "),
    "below the scale": (with_row(1, 1, 2, 20, 0.99), "has a predicted rating outside the scale: 1 "),
    "no number": (with_row(2, 2, 1, 40, np.nan), "has a predicted rating outside the scale: 2 "),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_set_is_refused(name: str) -> None:
    rows, message = BROKEN[name]
    with pytest.raises(OutputRefused) as caught:
        check(rows)
    assert message in caught.value.cause
    assert "Nothing was switched." in caught.value.action


def test_only_the_first_users_are_named() -> None:
    users = np.arange(1, 21)
    with pytest.raises(OutputRefused) as caught:
        check_lists(frame([]), users, EXPERIENCES, RATED.head(0), n=2, scale=(1.0, 5.0))
    assert caught.value.cause.startswith("20 users break the contract; ")
    assert caught.value.cause.endswith(": 1, 2, 3, 4, 5 …")


def test_the_frames_are_left_alone() -> None:
    lists, rated = frame(GOOD), RATED.copy()
    check_lists(lists, USERS, EXPERIENCES, rated, n=2, scale=(1.0, 5.0))
    pd.testing.assert_frame_equal(lists, frame(GOOD))
    pd.testing.assert_frame_equal(rated, RATED)
