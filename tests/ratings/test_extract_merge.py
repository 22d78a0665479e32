"""Merging what is new into what is known, held to a plain reading of the rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommender_job.errors import ConfigurationError, StorageFailed
from recommender_job.ratings.snapshot import OLD_RATINGS, Merged, Parts, merge
from recommender_job.storage import sorting
from recommender_job.tables import SOURCE_DELETIONS, SOURCE_RATINGS
from tests.ratings.worlds import as_rows, minute, source_ratings
from tests.storage.test_artifacts_failures import files_of_at_most

Row = tuple[int, int, float | None, int, int]
Key = tuple[int, int, int]
MergeRows = Callable[..., tuple[list[tuple[Any, ...]], Merged]]

FEW = st.integers(1, 2)
MOMENTS = st.integers(0, 2)
ROWS = st.lists(
    st.tuples(FEW, FEW, st.sampled_from([1.0, 2.0, math.nan, math.inf, -math.inf, None]), MOMENTS, MOMENTS), max_size=10
)
KEYS = st.lists(st.tuples(FEW, FEW, MOMENTS), max_size=4)
quickly = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def as_table(rows: Sequence[Row]) -> pa.Table:
    table = pa.Table.from_pandas(source_ratings(*rows), SOURCE_RATINGS, preserve_index=False)
    if rows:  # pandas has one missing value; a null and NaN are two here
        table = table.set_column(2, SOURCE_RATINGS.field(2), pa.array([row[2] for row in rows], pa.float32()))
    return table


@pytest.fixture
def merge_rows(tmp_path: Path) -> MergeRows:
    """Merges rows; returns those of the snapshot, in its order, and what `merge` says of them."""

    def work(
        old: Sequence[Row],
        new: Sequence[Row],
        *,
        deletions: Sequence[Key] = (),
        erased: Sequence[int] = (),
        keep_old: bool = True,
    ) -> tuple[list[tuple[Any, ...]], Merged]:
        # Names that would be patterns, or columns, if they were not taken as they are.
        folder, other = tmp_path / "user_id=9" / "a*'", tmp_path / "user_id=9" / "ab'"
        for path in (folder, other):
            path.mkdir(parents=True, exist_ok=True)
        pq.write_table(as_table([(8, 8, 8, 8, 8)]), other / "new.parquet")
        parts = Parts(new=folder / "new.parquet", old=folder / "old.parquet", deletions=folder / "deletions.parquet")
        pq.write_table(as_table(new), parts.new)
        marked = pa.table([*as_table(old).columns, pa.repeat(True, len(old))], schema=OLD_RATINGS)
        pq.write_table(marked, parts.old)
        gone = [dict(zip(SOURCE_DELETIONS.names, (*key[:2], minute(key[2])), strict=True)) for key in deletions]
        pq.write_table(pa.Table.from_pylist(gone, SOURCE_DELETIONS), parts.deletions)
        tables: list[pa.Table] = []
        merged = merge(parts, tables.append, keep_old=keep_old, erased=erased, memory_mb=64, scratch=folder)
        whole = pa.concat_tables([SOURCE_RATINGS.empty_table(), *tables])
        assert whole.schema.equals(SOURCE_RATINGS)
        frame = whole.to_pandas()
        frame["rating"] = pd.Series(whole["rating"].to_pylist(), dtype=object)
        assert merged.rows == len(frame)
        return as_rows(frame), merged

    return work


def worth(row: Row) -> tuple[int, int, float]:
    """What makes a version of a row win over others of the source: updated last, then the highest rating."""
    rating = row[2]
    if rating is None:
        return row[4], 0, 0.0
    return (row[4], 2, 0.0) if math.isnan(rating) else (row[4], 1, rating)


def expected(
    old: Sequence[Row], new: Sequence[Row], deletions: Sequence[Key], erased: Sequence[int], keep_old: bool
) -> tuple[list[Row], Merged]:
    known = {(row[0], row[1], row[3]): row for row in old}
    kept = [row for key, row in known.items() if keep_old and key not in deletions]
    best: dict[Key, Row] = {}
    for row in [*kept, *new]:
        key = row[0], row[1], row[3]
        is_better = key not in best or worth(row) > worth(best[key])
        # What the source says now goes before what was kept, unless that was updated later.
        is_newer = row in new and best.get(key) is known.get(key) and row[4] >= best.get(key, row)[4]
        if row[0] not in erased and (is_better or is_newer):
            best[key] = row
    fresh = [row for row in new if row[0] not in erased]
    seen = [row for row in fresh if known.get((row[0], row[1], row[3]), (0, 0, 0, 0, -1))[4] >= row[4]]
    counts = Merged(len(best), len(fresh) - len(seen), len(known.keys() - best.keys()))
    return [best[key] for key in sorted(best)], counts


def each_key_once(rows: Sequence[Row]) -> list[Row]:
    return list({(row[0], row[1], row[3]): row for row in rows}.values())


@pytest.mark.parametrize("rows_at_once", [1, 3, 250_000])
@quickly
@given(ROWS.map(each_key_once), ROWS, KEYS, st.lists(FEW, max_size=1), st.booleans())
def test_a_merge_is_what_the_rule_says(
    merge_rows: MergeRows,
    rows_at_once: int,
    old: list[Row],
    new: list[Row],
    deletions: list[Key],
    erased: list[int],
    keep_old: bool,
) -> None:
    with patch.object(sorting, "_ROWS", rows_at_once):
        rows, merged = merge_rows(old, new, deletions=deletions, erased=erased, keep_old=keep_old)
    rule, counts = expected(old, new, deletions, erased, keep_old)
    assert repr(rows) == repr([(*row[:3], float(row[3]), float(row[4])) for row in rule])  # repr: NaN is NaN
    assert merged == counts


def test_of_rows_with_the_same_key_the_one_updated_last_stays(merge_rows: MergeRows) -> None:
    old: list[Row] = [(1, 1, 5, 10, 10), (1, 2, 4, 10, 10), (2, 1, 3, 10, 30)]
    new: list[Row] = [(1, 1, 2, 10, 20), (1, 1, 1, 11, 20), (2, 1, 1, 10, 20)]
    rows, merged = merge_rows(old, new)
    assert rows == [(1, 1, 2.0, 10, 20), (1, 1, 1.0, 11, 20), (1, 2, 4.0, 10, 10), (2, 1, 3.0, 10, 30)]
    assert merged == Merged(rows=4, extracted=2, deleted=0)


def test_a_deleted_key_goes_unless_the_source_has_it_still(merge_rows: MergeRows) -> None:
    old: list[Row] = [(1, 1, 5, 10, 10), (1, 2, 4, 10, 20), (2, 1, 3, 10, 10)]
    left: list[Row] = [(1, 2, 2, 10, 15)]  # of two events of one moment, the one that was not deleted
    rows, merged = merge_rows(old, left, deletions=[(1, 1, 10), (1, 2, 10), (9, 9, 10)])
    assert rows == [(1, 2, 2.0, 10, 15), (2, 1, 3.0, 10, 10)]
    assert merged == Merged(rows=2, extracted=0, deleted=1)


def test_on_a_full_read_the_old_rows_are_only_compared_with(merge_rows: MergeRows) -> None:
    old: list[Row] = [(1, 1, 5, 10, 10), (1, 2, 4, 10, 30)]
    rows, merged = merge_rows(old, [(1, 2, 1, 10, 20), (2, 2, 1, 10, 20)], keep_old=False)
    assert rows == [(1, 2, 1.0, 10, 20), (2, 2, 1.0, 10, 20)]
    assert merged == Merged(rows=2, extracted=1, deleted=1)


def test_rows_of_an_erased_user_enter_from_neither_side(merge_rows: MergeRows) -> None:
    rows, merged = merge_rows([(1, 1, 5, 10, 10), (2, 1, 5, 10, 10)], [(1, 2, 4, 10, 10)], erased=[1, 7])
    assert rows == [(2, 1, 5.0, 10, 10)]
    assert merged == Merged(rows=1, extracted=0, deleted=1)


def test_keys_that_span_batches_do_not_gather_in_memory(tmp_path: Path) -> None:
    rows: list[Row] = [(0, 0, 1, 0, 0), *((user, 0, 1, 0, moment) for user in range(1, 50) for moment in (1, 2))]
    parts = Parts(*(tmp_path / f"{name}.parquet" for name in ("new", "old", "deletions")))
    pq.write_table(as_table(rows), parts.new)
    pq.write_table(OLD_RATINGS.empty_table(), parts.old)
    pq.write_table(SOURCE_DELETIONS.empty_table(), parts.deletions)
    written: list[pa.Table] = []
    with patch.object(sorting, "_ROWS", 10):  # each batch of ten begins within a key
        merge(parts, written.append, keep_old=True, erased=(), memory_mb=64, scratch=tmp_path)
    assert pa.concat_tables(written)["user_id"].to_pylist() == list(range(50))
    assert [len(table) for table in written] == [5] * 10


def many(tmp_path: Path) -> Parts:
    parts = Parts(*(tmp_path / f"{name}.parquet" for name in ("new", "old", "deletions")))
    rows = 2_000_000
    ids = pa.array(range(rows), pa.int64())
    user = pa.array([number * 7919 % rows for number in range(rows)], pa.int64())
    moment = ids.cast(pa.timestamp("us", "UTC"))
    table = pa.table([user, ids, ids.cast(pa.float32()), moment, moment], schema=SOURCE_RATINGS)
    pq.write_table(table, parts.new, row_group_size=100_000)
    pq.write_table(OLD_RATINGS.empty_table(), parts.old)
    pq.write_table(SOURCE_DELETIONS.empty_table(), parts.deletions)
    return parts


def test_what_does_not_fit_into_the_memory_goes_to_the_disk(tmp_path: Path) -> None:
    parts, users, spilled = many(tmp_path), [], []

    def look(table: pa.Table) -> None:
        spilled.extend((tmp_path / "sort").iterdir())
        users.extend(table["user_id"].to_pylist())

    connect = duckdb.connect

    def run(memory_mb: int) -> Merged:
        return merge(parts, look, keep_old=True, erased=(), memory_mb=memory_mb, scratch=tmp_path)

    assert run(64).rows == 2_000_000
    assert users == list(range(2_000_000))
    assert spilled
    with pytest.raises(ConfigurationError, match=r"4 MiB do not suffice .*Next: Raise `extract_memory_mb`"):
        run(4)
    with files_of_at_most(100_000), pytest.raises(StorageFailed, match="File too large") as caught:
        run(64)
    assert caught.value.cause.startswith(f"{tmp_path}: ")
    with (
        patch.object(duckdb, "connect", lambda config: connect(config={**config, "max_temp_directory_size": "1MB"})),
        pytest.raises(StorageFailed, match="Next: Free the disk"),
    ):
        run(64)
