"""The stage `clean`: what it writes, keeps and tells, and what stops it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from recommender_job import nightly
from recommender_job.config import Config
from recommender_job.errors import ArtifactBroken, ConfigurationError, NothingToTrainOn, StageMissing, StorageFailed
from recommender_job.ratings.clean import CLEAN, REJECTED, clean
from recommender_job.ratings.extract import EXPERIENCES, SNAPSHOT, USERS
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database
from recommender_job.tables import CLEAN_RATINGS, RATINGS, REFUSED_RATINGS, checked
from tests.ratings.cleaned import write_snapshot
from tests.ratings.test_usable import BAD_ROWS, GOOD_ROWS, KNOWN_EXPERIENCES, KNOWN_USERS, RUN
from tests.ratings.worlds import as_rows, source_ratings
from tests.storage.test_artifacts_failures import files_of_at_most

Clean = Callable[..., dict[str, Any]]


@pytest.fixture
def run_clean(config: Config, database: Database, folder: RunFolder) -> Clean:
    """Cleans a snapshot of these rows, with `KNOWN_USERS` and `KNOWN_EXPERIENCES`."""

    def work(*rows: Any) -> dict[str, Any]:
        write_snapshot(folder, source_ratings(*rows), users=KNOWN_USERS[::-1], experiences=KNOWN_EXPERIENCES[::-1])
        return clean(config, RUN, folder, database)

    return work


@pytest.fixture
def folder_of_run(config: Config) -> RunFolder:
    """The folder of `RUN`, after the extract."""
    folder = RunFolder(config.runs, RUN.folder)
    folder.finish("extract", {"source_rows": 3})
    return folder


def test_the_stage_writes_clean_ratings_and_keeps_the_refused(
    run_clean: Clean, folder: RunFolder, quarantined: Callable[[], list[dict[str, Any]]]
) -> None:
    # A snapshot holds each moment of a pair once, in order.
    bad = [((*row[:3], row[3] or 20 + place, 0), *why) for place, (row, *why) in enumerate(BAD_ROWS)]
    bad.sort(key=lambda one: (one[0][0], one[0][1], one[0][3]))
    summary = run_clean(*GOOD_ROWS, *(row for row, *_ in bad), (1, 1, 2, 9, 9))
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
    assert list(summary["reasons"].values()) == [4, 2, 2, 2, 1, 1]
    assert as_rows(folder.read_frame(CLEAN)) == [tuple(map(float, row[:4])) for row in GOOD_ROWS]
    checked(folder.read_frame(CLEAN), RATINGS)
    assert folder.read_table(CLEAN).schema == CLEAN_RATINGS
    assert folder.read_table(REJECTED).schema == REFUSED_RATINGS
    assert len(folder.read_frame(REJECTED)) == 12
    rows = quarantined()
    assert [[row["column_name"], row["reason"]] for row in rows] == [why for _, *why in bad]
    assert {(row["origin"], row["line"]) for row in rows} == {(RUN.run_id, None)}
    [stranger] = [json.loads(row["content"]) for row in rows if row["reason"] == "is not in users"]
    assert stranger == {
        "user_id": 9,
        "experience_id": 1,
        "rating": 3.0,
        "rated_at": "2023-01-01T00:25:00.000000Z",
    }
    assert [file for file in folder.path.iterdir() if file.name.startswith(".")] == []


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


def test_the_order_of_events_is_total(run_clean: Clean, folder: RunFolder) -> None:
    """Of one moment, what was written first comes first; of one moment of writing, the lower user and experience."""
    run_clean((3, 1, 1, 5, 9), (2, 1, 2, 6, 8), (1, 2, 3, 6, 8), (1, 1, 4, 6, 8), (2, 2, 5, 6, 7), (3, 2, 1, 4, 9))
    assert as_rows(folder.read_frame(CLEAN)[["user_id", "experience_id"]]) == [
        (3, 2), (3, 1), (2, 2), (1, 1), (1, 2), (2, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda frame: frame.iloc[::-1], r"row 2 .*user_id 2, experience_id 2, rated_at 2023-01-01 00:11:00\+00:00"),
        (lambda frame: pd.concat([frame, frame[-1:]]), r"row 4 .*user_id 3, .* does not come after the row before it"),
        (lambda frame: frame.drop(columns="rating"), "rating"),
        (lambda frame: frame.assign(user_id="somebody"), "somebody"),
        (lambda frame: frame.assign(user_id=frame["user_id"].astype("Int64").mask(frame["user_id"] == 2)), "user_id"),
    ],
)
def test_a_damaged_snapshot_is_told(
    run_clean: Clean, folder: RunFolder, change: Any, told: str, config: Config, database: Database
) -> None:
    run_clean(*GOOD_ROWS)
    folder.write_table(SNAPSHOT, change(folder.read_frame(SNAPSHOT)))
    with pytest.raises(ArtifactBroken, match=f"extract/snapshot.parquet is damaged: .*{told}"):
        clean(config, RUN, folder, database)


@pytest.mark.parametrize("name", [USERS, EXPERIENCES, SNAPSHOT])
def test_a_missing_file_is_told(
    run_clean: Clean, folder: RunFolder, name: str, config: Config, database: Database
) -> None:
    run_clean(*GOOD_ROWS)
    folder.remove(name)
    with pytest.raises(ArtifactBroken, match=f"{name} is not there"):
        clean(config, RUN, folder, database)


def test_what_an_earlier_attempt_wrote_is_not_used_when_a_later_one_ends_early(
    config: Config, folder_of_run: RunFolder
) -> None:
    write_snapshot(folder_of_run, source_ratings(*GOOD_ROWS), users=KNOWN_USERS, experiences=KNOWN_EXPERIENCES)
    nightly.clean(config, RUN)
    assert folder_of_run.summary("clean")["pairs"] == 3
    write_snapshot(folder_of_run, source_ratings((9, 1, 3, 0, 0)), users=KNOWN_USERS, experiences=KNOWN_EXPERIENCES)
    with pytest.raises(NothingToTrainOn):
        nightly.clean(config, RUN)
    with pytest.raises(StageMissing, match="`clean` has not finished"):
        nightly.train(config, RUN)


def test_too_little_memory_is_a_setting(
    run_clean: Clean, folder: RunFolder, config: Config, database: Database
) -> None:
    run_clean(*GOOD_ROWS)
    starved = config.model_copy(update={"extract_memory_mb": 0})
    with pytest.raises(ConfigurationError, match=r"0 MiB do not suffice .*Next: Raise `extract_memory_mb`"):
        clean(starved, RUN, folder, database)


def test_a_full_disk(run_clean: Clean, folder: RunFolder, config: Config, database: Database) -> None:
    run_clean(*GOOD_ROWS)
    before = folder.read_table(CLEAN)
    with files_of_at_most(600), pytest.raises(StorageFailed, match="File too large") as caught:
        clean(config, RUN, folder, database)
    assert "Free the disk" in caught.value.action
    assert folder.read_table(CLEAN).equals(before)
    assert [file for file in folder.path.iterdir() if file.name.startswith(".")] == []
