"""Cleaning part by part comes to what cleaning all rows at once does, wherever the parts end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from recommender_job.config import Config
from recommender_job.errors import NothingToTrainOn
from recommender_job.ratings.clean import CLEAN, REJECTED, clean
from recommender_job.runs import Run
from recommender_job.storage import run_files, sorting
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database
from recommender_job.tables import RATINGS, checked
from tests.ratings.cleaned import write_snapshot
from tests.ratings.plain import latest_of_each_pair, why_refused
from tests.ratings.worlds import source_ratings

YESTERDAY, TONIGHT = (Run(f"day-{day}", datetime(2023, 2, day, tzinfo=UTC)) for day in (1, 2))
USERS, EXPERIENCES = [1, 3, 5], [2, 4]
#: Often a pair again, often a row that is refused.
ROWS = st.lists(
    st.tuples(
        st.sampled_from([1, 1, 2, 3, 5]),
        st.sampled_from([2, 2, 4, 6]),
        st.sampled_from([1.0, 2.5, 4.0, 5.0, 9.0, float("nan"), None, float("-inf")]),
        st.integers(0, 5),
        st.integers(0, 2),
    ),
    max_size=24,
    unique_by=lambda row: (row[0], row[1], row[3]),  # what names a row of a snapshot
)
Night = Callable[[Run, list[Any], int], "Cleaned"]


class Cleaned:
    """A night's snapshot, what came of it plainly, and what the stage left."""

    def __init__(self, folder: RunFolder, rows: list[Any], run: Run) -> None:
        self.folder = folder
        self.snapshot = source_ratings(*rows).sort_values(["user_id", "experience_id", "rated_at"], ignore_index=True)
        self.whys = why_refused(self.snapshot, run, users=USERS, experiences=EXPERIENCES)
        is_bad = np.array([bool(why[1]) for why in self.whys], bool)
        self.good = latest_of_each_pair(self.snapshot[~is_bad])
        refused = pd.DataFrame(self.whys, columns=["column_name", "reason"], dtype="str")
        self.refused = pd.concat([self.snapshot, refused], axis=1)[is_bad]
        self.summary: dict[str, Any] = {}


@pytest.fixture
def night(make_config: Callable[..., Config], database: Database) -> Night:
    """Cleans a night's rows, so many at a time."""
    config = make_config({"quarantine.max_share": 1, "sanity.mode": "off"})

    def work(run: Run, rows: list[Any], at_once: int) -> Cleaned:
        folder = RunFolder(config.runs, run.folder)
        cleaned = Cleaned(folder, rows, run)
        write_snapshot(folder, cleaned.snapshot, users=USERS, experiences=EXPERIENCES)
        with patch.object(run_files, "BATCH", at_once), patch.object(sorting, "_ROWS", at_once):
            if cleaned.good.empty:
                with pytest.raises(NothingToTrainOn, match=f"{len(cleaned.refused)} refused"):
                    clean(config, run, folder, database)
            else:
                cleaned.summary = clean(config, run, folder, database)
        return cleaned

    return work


def new_share(now: pd.Series, then: pd.Series) -> float:
    distinct = set(now)
    return 1 - len(distinct & set(then)) / len(distinct)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, ROWS, st.integers(1, 7))
@example([], [], 1)
@example([(1, 2, 4.0, 0, 0)], [(1, 2, 5.0, minute, 0) for minute in range(6)], 2)
def test_parts_do_not_matter(
    night: Night,
    quarantined: Callable[[], list[dict[str, Any]]],
    database: Database,
    earlier: list[Any],
    rows: list[Any],
    at_once: int,
) -> None:
    with database.transaction() as transaction:
        transaction.run("delete from recommender.profile")
        transaction.run("delete from recommender.quarantine")
    before = night(YESTERDAY, earlier, at_once)
    tonight = night(TONIGHT, rows, at_once)

    refused = tonight.folder.read_frame(REJECTED)
    pd.testing.assert_frame_equal(refused, tonight.refused.reset_index(drop=True))
    kept = [row for row in quarantined() if row["origin"] == TONIGHT.run_id]
    assert [(row["column_name"], row["reason"]) for row in kept] == [why for why in tonight.whys if why[1]]
    assert [json.loads(row["content"])["user_id"] for row in kept] == refused["user_id"].tolist()
    if tonight.good.empty:
        return
    written = checked(tonight.folder.read_frame(CLEAN), RATINGS)
    pd.testing.assert_frame_equal(written, tonight.good)
    summary, figures = tonight.summary, tonight.summary["sanity"]["figures"]
    assert summary["reasons"] == Counter(refused["reason"])
    assert (summary["pairs"], summary["rejected"]) == (len(written), len(refused))
    for name, column in (("users", "user_id"), ("experiences", "experience_id")):
        assert summary[name] == figures[name] == written[column].nunique()
        known = None if before.good.empty else new_share(written[column], before.good[column])
        assert figures[f"new_{name}_share"] == known
    assert (figures["snapshot_rows"], figures["pairs"]) == (len(rows), len(written))
    assert figures["refused_share"] == len(refused) / len(rows)
    shares = written["rating"].value_counts(normalize=True)
    assert figures["distribution"] == {"values": {f"{value:g}": share for value, share in shares.items()}}
