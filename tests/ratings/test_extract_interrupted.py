"""Extracting that is interrupted: told as what it is, nothing half-written stays, and the next attempt succeeds."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pytest

from recommender_job.config import Config
from recommender_job.errors import ConfigurationError, DatabaseAway, RecommenderError, StorageFailed
from recommender_job.ratings import extract as module
from recommender_job.ratings.extract import SNAPSHOT, extract
from recommender_job.ratings.snapshot import Merged
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database
from tests.ratings.conftest import Import, Night, Snapshot, Sql
from tests.ratings.test_extract import FIRST, IN_FEBRUARY, IN_JANUARY, MONTHS, SECOND, figures
from tests.ratings.worlds import dump
from tests.storage.test_artifacts_failures import files_of_at_most

WATERMARKS = "recommender.extraction"
#: Sees to it that something happens half way through the merge.
During = Callable[[Callable[[], object]], Any]


def files(config: Config) -> list[str]:
    root = Path(config.runs)
    return sorted(path.relative_to(root).name for path in root.rglob("*") if path.is_file())


def killed(database: Database) -> Callable[[], None]:
    def work() -> None:
        with database.transaction() as other:
            other.rows(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )

    return work


@pytest.fixture
def during() -> During:
    def work(happens: Callable[[], object]) -> Any:
        merge = module.merge

        def merge_after(parts: Any, write: Callable[[pa.Table], None], **options: Any) -> Merged:
            merged = merge(parts, write, **options)
            happens()
            return merged

        return patch.object(module, "merge", merge_after)

    return work


def test_a_connection_that_is_killed_while_ratings_come(
    config: Config, database: Database, import_lines: Import, night: Night, source_query: Callable[..., Path]
) -> None:
    import_lines(MONTHS)
    endless = (
        "select 1 as user_id, 1 as experience_id, 3 as rating, now() as rated_at, now() as updated_at,"
        " pg_terminate_backend(case when n = 200000 then pg_backend_pid() end)"
        " from (select generate_series(1, 1000000000000) as n) as numbers"
    )
    broken = config.model_copy(update={"source_queries": source_query("ratings", f"select * from ({endless}) as e")})
    with pytest.raises(DatabaseAway, match="cannot be reached"):
        night(FIRST, broken)
    assert SNAPSHOT.split("/")[1] not in files(config)
    assert not list(Path(config.runs).rglob("*.scratch"))
    assert dump(database, WATERMARKS) == {WATERMARKS: []}
    assert figures(night(FIRST)) == (1, 1, None)


def test_a_server_that_drops_the_connection_while_it_merges(
    config: Config, database: Database, import_lines: Import, night: Night, during: During
) -> None:
    import_lines(MONTHS)
    night(FIRST)
    with during(killed(database)), pytest.raises(DatabaseAway):
        night(SECOND)
    assert [row["run_id"] for row in dump(database, WATERMARKS)[WATERMARKS]] == [FIRST.run_id]
    assert not list(Path(config.runs).rglob("*.scratch"))
    assert figures(night(SECOND)) == (1, 2, FIRST.run_id)


def test_a_merge_may_take_longer_than_a_transaction_may_idle(
    database: Database, import_lines: Import, night: Night, sql: Sql, during: During
) -> None:
    import_lines(MONTHS)
    sql(f"alter database {database.url.database} set idle_in_transaction_session_timeout = '100ms'")
    with during(lambda: time.sleep(0.5)):
        assert figures(night(FIRST)) == (1, 1, None)


@pytest.mark.parametrize(("limit", "rows"), [(1_500, 0), (20_000, 20_000)])
def test_a_full_disk(
    config: Config, database: Database, import_lines: Import, night: Night, sql: Sql, limit: int, rows: int
) -> None:
    import_lines(MONTHS)
    sql(
        "insert into website.ratings (user_id, experience_id, rated_at, rating)"
        " select 1, 2, timestamptz '2022-01-01' + n * n * interval '1 millisecond', 1 + random() * 4"
        " from generate_series(1, :rows) as n",
        rows=rows,
    )
    with files_of_at_most(limit), pytest.raises(StorageFailed, match="File too large") as caught:
        night(FIRST)
    assert "Free the disk" in caught.value.action
    assert SNAPSHOT.split("/")[1] not in files(config)
    assert not list(Path(config.runs).rglob("*.scratch"))
    assert night(FIRST)["snapshot"] == rows + 1


def test_a_watermark_is_never_there_without_its_snapshot(
    config: Config, database: Database, import_lines: Import, night: Night, during: During
) -> None:
    """While a run's snapshot is replaced, no other run can build upon it."""
    import_lines(MONTHS)
    night(FIRST)
    night(SECOND)
    seen: list[Any] = []
    with during(lambda: seen.extend(row["run_id"] for row in dump(database, WATERMARKS)[WATERMARKS])):
        night(SECOND)
    assert seen == [FIRST.run_id]
    assert len(dump(database, WATERMARKS)[WATERMARKS]) == 2


def test_snapshots_on_an_object_store(
    make_config: Callable[..., Config], database: Database, import_lines: Import
) -> None:
    import_lines(MONTHS)
    config = make_config({"runs_url": f"memory://{uuid.uuid4().hex}"})
    folders = [RunFolder(config.runs, run.folder) for run in (FIRST, SECOND)]
    summaries = [extract(config, run, folder, database) for run, folder in zip((FIRST, SECOND), folders, strict=True)]
    assert [figures(summary) for summary in summaries] == [(1, 1, None), (1, 2, FIRST.run_id)]
    assert folders[1].read_table(SNAPSHOT)["user_id"].to_pylist() == [1, 1]


def test_too_little_memory_is_a_setting(config: Config, import_lines: Import, night: Night, snapshot: Snapshot) -> None:
    import_lines(MONTHS)
    night(FIRST)
    starved = config.model_copy(update={"extract_memory_mb": 0})

    def told() -> RecommenderError:
        with pytest.raises(ConfigurationError, match="extract_memory_mb") as caught:
            night(SECOND, starved)
        return caught.value

    assert told().cause.startswith("0 MiB do not suffice")
    night(SECOND)
    assert snapshot(SECOND) == {IN_JANUARY, IN_FEBRUARY}
