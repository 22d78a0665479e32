"""Extracting when something is wrong: a base that is gone, a broken query; and the watermark."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from recommender_job.config import Config
from recommender_job.errors import SourceBroken
from recommender_job.ratings.extract import SNAPSHOT
from recommender_job.ratings.watermark import Watermark
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database
from tests.ratings.conftest import Import, Night, Snapshot
from tests.ratings.test_extract import FIRST, IN_FEBRUARY, IN_JANUARY, MONTHS, SECOND, THIRD, figures
from tests.ratings.worlds import dump

WATERMARKS = "recommender.extraction"
Queries = Callable[[str, str], Path]


def remove(folder: RunFolder) -> None:
    (Path(folder.url(SNAPSHOT))).unlink()


def flip_a_byte(folder: RunFolder) -> None:
    """So that only the checksum tells: the file is read, and something else stands in it."""
    file = Path(folder.url(SNAPSHOT))
    content, before = file.read_bytes(), pq.read_table(file)
    for place in range(4, len(content)):
        file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        try:
            if not pq.read_table(file).equals(before):
                return
        except (OSError, ValueError):
            continue
    raise AssertionError("no byte was found")


def cut_short(folder: RunFolder) -> None:
    file = Path(folder.url(SNAPSHOT))
    file.write_bytes(file.read_bytes()[:100])


def other_columns(folder: RunFolder) -> None:
    folder.write_table(SNAPSHOT, pd.DataFrame({"user": [1], "item": [2]}))


def other_types(folder: RunFolder) -> None:
    folder.write_table(SNAPSHOT, folder.read_frame(SNAPSHOT).assign(user_id="somebody"))


@pytest.mark.parametrize("damage", [remove, flip_a_byte, cut_short, other_columns, other_types])
def test_without_a_usable_base_the_night_reads_everything(
    config: Config, import_lines: Import, night: Night, snapshot: Snapshot, damage: Callable[[RunFolder], None]
) -> None:
    import_lines(MONTHS)
    night(FIRST)
    damage(RunFolder(config.runs, FIRST.folder))
    assert figures(night(SECOND)) == (2, 2, None)
    assert snapshot(SECOND) == {IN_JANUARY, IN_FEBRUARY}


def test_without_the_last_base_the_one_before_serves(config: Config, import_lines: Import, night: Night) -> None:
    import_lines(MONTHS)
    night(FIRST)
    night(SECOND)
    remove(RunFolder(config.runs, SECOND.folder))
    assert figures(night(THIRD)) == (2, 3, FIRST.run_id)


def test_a_full_read_is_due_once_so_many_days_have_passed() -> None:
    moment = datetime(2023, 1, 1, tzinfo=UTC)
    base = Watermark("a-run", moment, moment, full_read_at=moment)
    week = timedelta(days=7)
    assert not base.is_due(moment + week - timedelta(microseconds=1), 7)
    assert base.is_due(moment + week, 7)
    assert base.is_due(moment, 0)
    assert Watermark("a-run", moment, moment, full_read_at=None).is_due(moment, 1000)


def test_the_watermark_is_written(config: Config, database: Database, import_lines: Import, night: Night) -> None:
    import_lines(MONTHS)
    night(FIRST)
    night(SECOND)
    rows = {row["run_id"]: row for row in dump(database, WATERMARKS)[WATERMARKS]}
    assert rows[FIRST.run_id]["read_through"] < rows[SECOND.run_id].pop("read_through")
    assert rows[SECOND.run_id] == {
        "run_id": SECOND.run_id,
        "cutoff": SECOND.cutoff,
        "base_run_id": FIRST.run_id,
        "snapshot_url": RunFolder(config.runs, SECOND.folder).url(SNAPSHOT),
        "extracted": 1,
        "snapshot": 2,
        "full_read_at": rows[FIRST.run_id]["read_through"],
        "source_rows": 2,
    }
    assert rows[FIRST.run_id]["source_rows"] == 1


def test_a_rerun_replaces_its_watermark(database: Database, import_lines: Import, night: Night) -> None:
    import_lines(MONTHS)
    night(FIRST)
    [before] = dump(database, WATERMARKS)[WATERMARKS]
    night(FIRST)
    [after] = dump(database, WATERMARKS)[WATERMARKS]
    assert after["read_through"] > before["read_through"]
    assert (before.pop("full_read_at"), after.pop("full_read_at")) == (
        before.pop("read_through"),
        after.pop("read_through"),
    )
    assert after == before


GOOD = "select user_id, experience_id, rating, rated_at, updated_at from website.ratings"


@pytest.mark.parametrize(
    ("query", "told"),
    [
        (GOOD.replace(", rating", ""), 'column "rating" does not exist'),
        (GOOD.replace("select", "selec"), "syntax error"),
        (GOOD.replace("website.ratings", "shop.reviews"), 'relation "shop.reviews" does not exist'),
        (GOOD.replace("user_id", "nullif(user_id, 2) as user_id"), "column user_id is null in 1 of 3 rows"),
        (
            GOOD.replace("rated_at,", "'soon' as rated_at,"),
            'invalid input syntax for type timestamp with time zone: "soon"',
        ),
        (GOOD + " where rated_at < %(until)s", "until"),
        (GOOD + " where 'Bono' like '%o'", "%"),
        ("", "syntax error"),
    ],
)
def test_a_broken_query_names_itself_and_leaves_no_watermark(
    database: Database,
    make_config: Callable[..., Config],
    import_lines: Import,
    night: Night,
    source_query: Queries,
    query: str,
    told: str,
) -> None:
    import_lines(MONTHS)
    queries = source_query("ratings", query)
    with pytest.raises(SourceBroken) as caught:
        night(THIRD, make_config({"source_queries": queries}))
    assert caught.value.cause.startswith(f"{queries / 'ratings.sql'}: ")
    assert told in caught.value.cause
    assert dump(database, WATERMARKS) == {WATERMARKS: []}


@pytest.mark.parametrize("name", ["ratings", "users", "experiences"])
def test_a_missing_query_file(
    make_config: Callable[..., Config], night: Night, source_query: Queries, name: str
) -> None:
    queries = source_query("more", "select 1")
    (queries / f"{name}.sql").unlink()
    with pytest.raises(SourceBroken) as caught:
        night(FIRST, make_config({"source_queries": queries}))
    assert caught.value.cause == f"{queries / name}.sql: No such file or directory."
    assert caught.value.action == "Put the query there or set `source_queries`."


def test_a_rating_may_be_null_and_is_left_to_clean(
    make_config: Callable[..., Config], import_lines: Import, night: Night, source_query: Queries
) -> None:
    import_lines(MONTHS)
    config = make_config({"source_queries": source_query("ratings", GOOD.replace("rating,", "null as rating,"))})
    assert night(THIRD, config)["snapshot"] == 3
    assert RunFolder(config.runs, THIRD.folder).read_frame(SNAPSHOT)["rating"].isna().all()
