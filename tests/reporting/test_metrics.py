"""The figures for monitoring: of what is live and of the last night."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recommender_job.config import Config
from recommender_job.errors import NothingToTrainOn
from recommender_job.nightly import run_night
from recommender_job.reporting.metrics import families, update
from recommender_job.reporting.nights import Night, record
from recommender_job.reporting.prometheus import render
from recommender_job.runs import Run, folder_of
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database
from tests.publishing.by_hand import publish
from tests.reporting.exposition import parse

CUTOFF = datetime(2024, 5, 1, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
PUBLICATION = {"published", "publication_users", "publication_info", "stale"}


def figures(config: Config, database: Database, now: datetime) -> dict[tuple[str, ...], float]:
    """Value of each sample, by its name without the prefix and its labels' values."""
    samples = parse(render(families(config, database, now)))
    return {(name.removeprefix("recommender_"), *labels.values()): value for name, labels, value in samples}


def test_before_the_first_night(config: Config, database: Database) -> None:
    assert figures(config, database, CUTOFF) == {("published",): 0, ("metrics_timestamp_seconds",): CUTOFF.timestamp()}
    assert update(config, CUTOFF) == {"textfile": None}


def test_what_is_live(config: Config, database: Database) -> None:
    publication = publish(database, {1: (5,), 2: (6,)}, data_through=CUTOFF)
    found = figures(config, database, CUTOFF + 36 * HOUR - timedelta(seconds=1))
    assert found[("published",)] == 1
    assert found[("data_through_timestamp_seconds",)] == CUTOFF.timestamp()
    assert found[("expires_timestamp_seconds",)] == (CUTOFF + 36 * HOUR).timestamp()
    assert found[("publication_users",)] == 2
    assert found[("stale",)] == 0
    (info,) = [key for key in found if key[0] == "publication_info"]
    assert info[1] == str(publication)
    assert figures(config, database, CUTOFF + 36 * HOUR)[("stale",)] == 1


@pytest.mark.parametrize(("outcome", "passed"), [("published", 1), ("dry run", 1), ("blocked", 0), ("failed", None)])
def test_how_the_last_night_ended(config: Config, database: Database, outcome: Any, passed: int | None) -> None:
    record(database, Night("old", CUTOFF - 24 * HOUR, "published", rmse=0.1, max_rmse=0.2))
    record(database, Night("new", CUTOFF, outcome, rmse=0.75 if passed is not None else None, max_rmse=1.0))
    found = figures(config, database, CUTOFF + HOUR)
    assert {key[1]: value for key, value in found.items() if key[0] == "night_outcome"} == {
        one: float(one == outcome) for one in ("published", "dry run", "blocked", "failed")
    }
    assert found[("night_cutoff_timestamp_seconds",)] == CUTOFF.timestamp()
    assert abs(found[("night_reported_timestamp_seconds",)] - datetime.now(UTC).timestamp()) < 60
    assert found.get(("night_rmse",)) == (0.75 if passed is not None else None)
    assert found[("night_max_rmse",)] == 1.0
    assert found.get(("night_gate_passed",)) == passed


@pytest.mark.parametrize("outcome", ["published", "failed"])
def test_what_a_person_let_through_the_gate_did_not(config: Config, database: Database, outcome: Any) -> None:
    record(database, Night("new", CUTOFF, outcome, rmse=0.75, max_rmse=0.5, figures={"override": True}))
    assert figures(config, database, CUTOFF)[("night_gate_passed",)] == 0


def test_what_the_stages_of_the_last_night_did(config: Config, database: Database) -> None:
    record(database, Night("a run", CUTOFF, "failed"))
    folder = RunFolder(config.runs, folder_of("a run"))
    for stage, summary in {
        "extract": {"extracted": 30, "cutoff": "x", "full_read": True},
        "clean": {"pairs": 20, "rejected": 0},
        "train": {}, "evaluate": {"rmse": 0.5}, "gate": {"passed": True}, "refit": {},
        "plan_shards": {"shards": [0, 1], "users": 7},
        "score-0000": {"users": 4},
        "publish": {"rows": 70},
    }.items():  # fmt: skip
        folder.finish(stage, {**summary, "seconds": 1.5})
    found = figures(config, database, CUTOFF)
    rows = {key[1:]: value for key, value in found.items() if key[0] == "night_rows"}
    assert rows == {
        ("extract", "extracted"): 30, ("clean", "pairs"): 20, ("clean", "rejected"): 0, ("plan_shards", "users"): 7,
        ("score-0000", "users"): 4,
    }  # fmt: skip
    stages = {key[1]: value for key, value in found.items() if key[0] == "night_stage_duration_seconds"}
    assert set(stages.values()) == {1.5}
    # The shard after it has not finished, so what `publish` left is of an earlier attempt.
    assert list(stages)[-1] == "score-0000"


def test_the_file_and_the_summary(make_config: Callable[..., Config], database: Database, tmp_path: Path) -> None:
    config = make_config({"metrics.textfile": tmp_path / "textfiles"})
    publication = publish(database, {1: (5,)}, data_through=CUTOFF)
    file = tmp_path / "textfiles" / "recommender.prom"
    assert update(config, CUTOFF + 37 * HOUR) == {
        "textfile": str(file),
        "publication_id": publication,
        "data_age_seconds": 37 * 3600,
        "expires_in_seconds": -3600,
        "is_stale": True,
    }
    assert file.read_text("utf-8") == render(families(config, database, CUTOFF + 37 * HOUR))
    update(config, CUTOFF + 38 * HOUR)
    assert f"{(CUTOFF + 38 * HOUR).timestamp():.0f}" in file.read_text("utf-8")


def test_a_damaged_run_folder_does_not_take_the_freshness_away(config: Config, database: Database) -> None:
    publish(database, {1: (5,)}, data_through=CUTOFF)
    record(database, Night("a run", CUTOFF, "failed"))
    folder = RunFolder(config.runs, folder_of("a run"))
    folder.finish("extract", {"seconds": 1})
    folder.finish("clean", {"seconds": 1})
    Path(folder.url("finished/clean.json")).write_text("{", "utf-8")
    found = figures(config, database, CUTOFF)
    assert ("published",) in found
    assert [key[1] for key in found if key[0] == "night_stage_duration_seconds"] == ["extract"]


def test_a_night_that_fails_at_once_is_in_the_file_too(make_config: Callable[..., Config], tmp_path: Path) -> None:
    config = make_config({"metrics.textfile": tmp_path})
    with pytest.raises(NothingToTrainOn):  # the source is empty
        run_night(config, Run("a-run", CUTOFF))
    text = (tmp_path / "recommender.prom").read_text("utf-8")
    assert 'recommender_night_outcome{outcome="failed"} 1\n' in text
    assert f"recommender_night_cutoff_timestamp_seconds {CUTOFF.timestamp():.0f}\n" in text
