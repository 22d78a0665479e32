"""Who gets a list, what may stand in it, and who is scored where."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_job.scoring.eligibility import eligible_experiences, known_users, shard_of

NOON = datetime(2023, 5, 3, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def offered(*rows: tuple[int, bool, datetime | None, datetime | None]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["experience_id", "is_active", "available_from", "available_until"])
    moments = {name: pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]") for name in frame.columns[2:]}
    return frame.assign(name="x", **moments)


def eligible(*rows: tuple[int, bool, datetime | None, datetime | None], at: datetime = NOON) -> list[int]:
    return eligible_experiences(offered(*rows), at)["experience_id"].tolist()


def test_unbounded_and_active() -> None:
    assert eligible((3, True, None, None), (1, True, None, None), (2, False, None, None)) == [1, 3]


def test_dates_are_half_open() -> None:
    assert eligible((1, True, NOON, None), (2, True, NOON + TICK, None), (3, True, NOON - TICK, None)) == [1, 3]
    assert eligible((1, True, None, NOON), (2, True, None, NOON + TICK), (3, True, None, NOON - TICK)) == [2]


def test_within_both_dates() -> None:
    row = (1, True, NOON - timedelta(days=1), NOON + timedelta(days=1))
    assert eligible(row) == [1]
    assert eligible(row, at=NOON + timedelta(days=1)) == []
    assert eligible((1, False, *row[2:])) == []


def test_the_moment_may_be_given_in_any_zone() -> None:
    bogota = NOON.astimezone(timezone(timedelta(hours=-5)))
    assert eligible((1, True, NOON, None), (2, True, None, NOON), at=bogota) == [1]


def test_the_rows_keep_their_columns_and_the_callers_frame_its_order() -> None:
    frame = offered((2, True, None, None), (1, True, None, None))
    before = frame.copy()
    found = eligible_experiences(frame, NOON)
    assert list(found.columns) == list(frame.columns)
    assert found.index.tolist() == [0, 1]
    pd.testing.assert_frame_equal(frame, before)


def test_known_users_are_active_and_have_rated() -> None:
    ratings = pd.DataFrame({"user_id": [5, 3, 5, -1, 9]})
    users = pd.DataFrame({"user_id": [9, -1, 5, 4, 3], "is_active": [True, True, True, True, False]})
    found = known_users(ratings, users)
    assert found.tolist() == [-1, 5, 9]
    assert found.dtype == np.int64


def test_shards_of_these_ids_never_move() -> None:
    ids = np.array([-(2**63), -1, 0, 1, 2, 10, 20, 1_000_000, 2**62, 2**63 - 1])
    # splitmix64 of the id as an unsigned number, modulo the number of shards.
    mixed = [splitmix64(int(i) % 2**64) for i in ids]
    assert mixed[2] == 0xE220A8397B1DCDAF  # the generator's published first output for seed 0
    for shards in (1, 2, 7, 1024):
        assert shard_of(ids, shards).tolist() == [value % shards for value in mixed]
    assert shard_of(ids, 4).tolist() == PINNED


PINNED = [3, 0, 3, 1, 2, 2, 0, 3, 3, 3]


def splitmix64(seed: int) -> int:
    word = (seed + 0x9E3779B97F4A7C15) % 2**64
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB % 2**64
    return word ^ (word >> 31)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), unique=True, max_size=50), st.integers(1, 1024))
def test_every_user_is_in_one_shard_whoever_else_is_there(ids: list[int], shards: int) -> None:
    together = shard_of(np.array(ids, np.int64), shards)
    assert together.dtype == np.int64
    assert all(0 <= shard < shards for shard in together)
    assert [int(shard_of(np.array([i], np.int64), shards)[0]) for i in ids] == together.tolist()


@pytest.mark.parametrize("shards", [2, 4, 10])
@pytest.mark.parametrize(
    "ids", [np.arange(20_000), np.arange(20_000) * 10, -np.arange(20_000) * 1024, 2**62 + np.arange(20_000)]
)
def test_shards_are_roughly_even_whatever_the_ids_have_in_common(ids: np.ndarray, shards: int) -> None:
    counts = np.bincount(shard_of(ids, shards), minlength=shards)
    # Five standard deviations of a fair die.
    fair = len(ids) / shards
    assert np.abs(counts - fair).max() < 5 * np.sqrt(fair)
