"""Cleaning: which rows are refused and why, and which of a pair's ratings counts."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender_job.config import Config
from recommender_job.errors import NothingToTrainOn
from recommender_job.ratings.clean import CLEAN, REJECTED, clean, latest_of_each_pair, split_rejected
from recommender_job.ratings.extract import EXPERIENCES, SNAPSHOT, USERS
from recommender_job.runs import Run
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database
from recommender_job.tables import RATINGS, SOURCE_EXPERIENCES, SOURCE_USERS, checked
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
Clean = Callable[..., dict[str, Any]]


def separate(*rows: Any, scale: tuple[float, float] = (1, 5)) -> tuple[pd.DataFrame, pd.DataFrame]:
    return split_rejected(
        source_ratings(*rows),
        users=pd.Series(KNOWN_USERS),
        experiences=pd.Series(KNOWN_EXPERIENCES),
        scale=scale,
        cutoff=RUN.cutoff,
    )


@pytest.mark.parametrize(("row", "column", "reason"), BAD_ROWS)
def test_a_bad_row_is_refused_with_its_reason(row: Any, column: str, reason: str) -> None:
    good, rejected = separate(GOOD_ROWS[0], row, *GOOD_ROWS[1:])
    assert as_rows(good) == [tuple(map(float, good_row)) for good_row in GOOD_ROWS]
    assert rejected[["column_name", "reason"]].to_numpy().tolist() == [[column, reason]]


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


RATINGS_OF_ALL_KINDS = st.one_of(
    st.none(), st.sampled_from([NAN, float("inf"), float("-inf"), 1.0, 5.0, 0.9999, 5.0001, 1e38]), st.floats(1, 5)
)
MINUTES_OF_ALL_KINDS = st.one_of(
    st.integers(0, 3),
    st.sampled_from([-FROM_YEAR_1, -FROM_1900 - 1, -FROM_1900, UNTIL_CUTOFF - 1, UNTIL_CUTOFF, UNTIL_YEAR_9999]),
)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([1, 2, 9, -(2**63)]), st.sampled_from([1, 2, 2**63 - 1]),
            RATINGS_OF_ALL_KINDS, MINUTES_OF_ALL_KINDS, st.integers(0, 3),
        ),
        max_size=12,
        unique_by=lambda row: (row[0], row[1], row[3]),  # what names a row of a snapshot
    )
)  # fmt: skip
def test_every_row_is_refused_with_a_reason_or_stands_behind_a_clean_pair(rows: list[Any]) -> None:
    snapshot = source_ratings(*rows)
    good, rejected = split_rejected(
        snapshot,
        users=pd.Series(KNOWN_USERS),
        experiences=pd.Series(KNOWN_EXPERIENCES),
        scale=(1, 5),
        cutoff=RUN.cutoff,
    )
    assert sorted([*good.index, *rejected.index]) == list(snapshot.index)
    assert (rejected["reason"] != "").all()
    assert rejected["column_name"].isin(["user_id", "experience_id", "rating", "rated_at"]).all()
    latest = latest_of_each_pair(good)
    checked(latest, RATINGS)
    clean_pairs = {(row.user_id, row.experience_id): row for row in latest.itertuples()}
    assert set(clean_pairs) == set(zip(good["user_id"], good["experience_id"], strict=True))
    for row in good.itertuples():
        assert clean_pairs[row.user_id, row.experience_id].rated_at >= row.rated_at
    assert latest["rating"].between(1, 5).all()
    assert latest["user_id"].isin(KNOWN_USERS).all()
    assert (latest["rated_at"] < pd.Timestamp(RUN.cutoff)).all()


def test_the_latest_rating_of_a_pair_counts_and_of_equal_times_the_one_updated_last() -> None:
    rows = source_ratings(
        (1, 1, 5, 10, 99),
        (1, 1, 4, 20, 20),  # later, although written earlier
        (1, 2, 3, 10, 11),
        (1, 2, 2, 10, 12),  # equally late, written later
        (1, 2, 1, 10, 10),
        (2, 1, 5, 5, 5),
    )
    assert as_rows(latest_of_each_pair(rows)) == [(2, 1, 5.0, 5.0), (1, 2, 2.0, 10.0), (1, 1, 4.0, 20.0)]


@given(source_rows(), st.randoms(use_true_random=False))
def test_one_rating_for_each_pair_whatever_the_order(rows: list[Any], random: Any) -> None:
    # Rows with one key and moment of writing do not leave a snapshot twice.
    rows = list({(row[0], row[1], row[3], row[4]): row for row in rows}.values())
    latest = latest_of_each_pair(source_ratings(*rows))
    checked(latest, RATINGS)
    assert {(row[0], row[1]) for row in as_rows(latest)} == {(row[0], row[1]) for row in rows}
    for user, experience, rating, rated in as_rows(latest):
        rivals = [row for row in rows if row[:2] == (user, experience)]
        last = max(rivals, key=lambda row: (row[3], row[4]))
        assert (rating, rated) == (last[2], last[3])
    assert latest["rated_at"].is_monotonic_increasing
    shuffled = random.sample(rows, len(rows))
    pd.testing.assert_frame_equal(latest_of_each_pair(source_ratings(*shuffled)), latest)


@pytest.fixture
def run_clean(config: Config, database: Database, folder: RunFolder) -> Clean:
    """Cleans a snapshot of these rows, with `KNOWN_USERS` and `KNOWN_EXPERIENCES`."""

    def work(*rows: Any) -> dict[str, Any]:
        folder.write_table(SNAPSHOT, source_ratings(*rows))
        known = [{"experience_id": i, "name": f"E{i}", "is_active": True} for i in KNOWN_EXPERIENCES]
        folder.write_table(EXPERIENCES, pa.Table.from_pylist(known, SOURCE_EXPERIENCES))
        users = [{"user_id": i, "is_active": True} for i in KNOWN_USERS]
        folder.write_table(USERS, pa.Table.from_pylist(users, SOURCE_USERS))
        return clean(config, RUN, folder, database)

    return work


def test_the_stage_writes_clean_ratings_and_keeps_the_refused(
    run_clean: Clean, folder: RunFolder, quarantined: Callable[[], list[dict[str, Any]]]
) -> None:
    bad = [row for row, _, _ in BAD_ROWS]
    summary = run_clean(*GOOD_ROWS, *bad, (1, 1, 2, 9, 9))
    assert summary.pop("sanity")["figures"]["pairs"] == 3
    assert summary == {
        "pairs": 3,
        "rejected": 12,
        "reasons": {
            "is outside the scale 1 to 5": 4,
            "is missing or not a number": 2,
            "is not in users": 1,
            "is not in experiences": 1,
            "lies before 1900": 2,
            "is not before the cutoff": 2,
        },
        "users": 3,
        "experiences": 2,
    }
    assert as_rows(folder.read_frame(CLEAN)) == [tuple(map(float, row[:4])) for row in GOOD_ROWS]
    assert len(folder.read_frame(REJECTED)) == 12
    rows = quarantined()
    assert [(row["column_name"], row["reason"]) for row in rows] == [bad_row[1:] for bad_row in BAD_ROWS]
    assert {(row["origin"], row["line"]) for row in rows} == {(RUN.run_id, None)}
    assert json.loads(rows[5]["content"]) == {
        "user_id": 9,
        "experience_id": 1,
        "rating": 3.0,
        "rated_at": "2023-01-01T00:00:00.000000Z",
    }


def test_a_rerun_replaces_its_refused_rows(run_clean: Clean, quarantined: Callable[[], list[dict[str, Any]]]) -> None:
    first = run_clean(*GOOD_ROWS, (9, 1, 3, 0, 0))
    assert run_clean(*GOOD_ROWS, (9, 1, 3, 0, 0)) == first
    assert len(quarantined()) == 1


@pytest.mark.parametrize(("rows", "told"), [([], "the source is empty"), ([(9, 1, 3, 0, 0)], "'is not in users': 1")])
def test_a_snapshot_without_usable_ratings_stops_the_night(
    run_clean: Clean, quarantined: Callable[[], list[dict[str, Any]]], rows: list[Any], told: str
) -> None:
    with pytest.raises(NothingToTrainOn) as caught:
        run_clean(*rows)
    assert f"{len(rows)} refused" in caught.value.cause
    assert told in caught.value.cause
    assert "recommender.quarantine" in caught.value.action
    assert len(quarantined()) == len(rows)
