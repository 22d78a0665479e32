"""Merges what the source returned with the last snapshot, in little memory: sorted, they are gone through once.

A row of the snapshot is named by (user, experience, rated_at); of several, the one updated last counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recommender_job.storage.beside import beside
from recommender_job.storage.sorting import sorted_rows
from recommender_job.tables import EXPERIENCE, RATED_AT, RATING, SOURCE_RATINGS, UPDATED_AT, USER

#: Rows of the snapshot to build upon, marked as such.
OLD_RATINGS = SOURCE_RATINGS.append(pa.field("is_old", pa.bool_()))

# What a file lacks is null: so `updated_at` is for deletions. Rows of one key come as they like: few keys have several,
# and a sort by all that decides between them takes half as long again.
_SORTED = """
    select user_id, experience_id, rating, rated_at, updated_at, is_old
    from read_parquet($files, union_by_name = true, hive_partitioning = false)
    order by user_id, experience_id, rated_at
"""


@dataclass(frozen=True)
class Parts:
    """Parquet files to merge.

    Args:
        new: What the source returned, of `tables.SOURCE_RATINGS`; keys may repeat.
        old: The snapshot to build upon, or to compare with: of `OLD_RATINGS`, each key once, all marked.
        deletions: Keys that are gone from the source, of `tables.SOURCE_DELETIONS`.
    """

    new: Path
    old: Path
    deletions: Path


@dataclass(frozen=True)
class Merged:
    """What came of a merge.

    Args:
        rows: Rows of the snapshot.
        extracted: Rows of `new` that `old` does not hold, in this version or a later one.
        deleted: Keys of `old` that the snapshot does not hold.
    """

    rows: int
    extracted: int
    deleted: int


def merge(
    parts: Parts,
    write: Callable[[pa.Table], None],
    *,
    keep_old: bool,
    erased: Sequence[int],
    memory_mb: int,
    scratch: Path,
) -> Merged:
    """Writes the snapshot: `new`, and `old` without the deleted keys; each key once, none of an erased user.

    Args:
        parts: What to merge.
        write: Gets the rows, of `tables.SOURCE_RATINGS`, by user, experience and rated_at, in several tables.
        keep_old: Whether rows of `old` enter the snapshot; otherwise they are only compared with.
        erased: Users who are left out.
        memory_mb: Memory in MiB for sorting; what does not fit goes to the disk.
        scratch: Folder for that.

    Raises:
        StorageFailed: The disk is full.
        ConfigurationError: The memory does not suffice.
    """
    total = Merged(0, 0, 0)
    files = (parts.new, parts.old, parts.deletions)
    with (
        sorted_rows(_SORTED, files, memory_mb=memory_mb, scratch=scratch) as batches,
        beside(write) as write_beside,
    ):
        for unordered in _whole_groups(batches):
            first = _first_of_each_key(unordered)
            table = _best_first(unordered, first)
            places, part = _winners(table, first, np.asarray(erased, np.int64), keep_old)
            rows = table.select(SOURCE_RATINGS.names)
            write_beside((rows if len(places) == len(rows) else rows.take(pa.array(places))).cast(SOURCE_RATINGS))
            total = Merged(*(sum(pair) for pair in zip(astuple(total), astuple(part), strict=True)))
    return total


def _winners(
    table: pa.Table, first: NDArray[np.bool_], erased: NDArray[np.int64], keep_old: bool
) -> tuple[NDArray[np.int64], Merged]:
    """Where the rows of the snapshot stand, in a table with all rows of some keys, best first."""
    is_erased = np.isin(_numpy(table[USER]), erased)
    if table["is_old"].null_count == len(table) and not table[UPDATED_AT].null_count:  # all that a first read meets
        places = np.flatnonzero(first & ~is_erased)
        return places, Merged(rows=len(places), extracted=int((~is_erased).sum()), deleted=0)
    is_deletion = _numpy(pc.is_null(table[UPDATED_AT]))
    is_old = _numpy(pc.is_valid(table["is_old"]))
    updated = _moments(table[UPDATED_AT])
    group = np.cumsum(first) - 1
    groups = group[-1] + 1
    is_new = ~is_old & ~is_deletion & ~is_erased
    is_gone = np.zeros(groups, bool)
    is_gone[group[is_deletion]] = True
    candidates = np.flatnonzero(is_new | (is_old & ~is_gone[group] & ~is_erased & keep_old))
    winners = candidates[np.diff(group[candidates], prepend=-1) != 0]
    known = np.full(groups, np.iinfo(np.int64).min)
    known[group[is_old]] = updated[is_old]
    stays = np.zeros(groups, bool)
    stays[group[winners]] = True
    return winners, Merged(
        rows=len(winners),
        extracted=int((is_new & (known[group] < updated)).sum()),
        deleted=int((is_old & ~stays[group]).sum()),
    )


def _whole_groups(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The same rows in other parts: rows with one key are never apart."""
    held: pa.Table | None = None
    for batch in batches:
        table = pa.Table.from_batches([batch])
        if held is not None and _first_of_each_key(pa.concat_tables([held.slice(len(held) - 1), table.slice(0, 1)]))[1]:
            yield held
        elif held is not None:  # the only case in which rows are copied
            last = int(np.flatnonzero(_first_of_each_key(held))[-1])
            if last:  # held back, too, they would grow with every batch that begins within a key
                yield held.slice(0, last)
            table = pa.concat_tables([held.slice(last), table]).combine_chunks()
        held = table
    if held is not None:
        yield held


def _best_first(table: pa.Table, first: NDArray[np.bool_]) -> pa.Table:
    """The same rows; of those with one key the version that was updated last comes first, deletions come last.

    Should two versions carry the same moment, what the source says now goes before what the snapshot holds; beyond
    that, the rating makes the order total: NaN is the highest there, null the lowest.
    """
    if first.all():
        return table
    alone = first & np.append(first[1:], True)
    several = np.flatnonzero(~alone)
    rows = table.take(pa.array(several))
    rating = _numpy(rows[RATING])
    kind = np.where(_numpy(pc.is_null(rows[RATING])), 2, np.where(np.isnan(rating), 0, 1))
    is_old = _numpy(pc.is_valid(rows["is_old"]))
    keys = (
        np.where(kind == 1, -rating, 0),
        kind,
        is_old,
        -_moments(rows[UPDATED_AT]),
        _numpy(pc.is_null(rows[UPDATED_AT])),
    )
    order = np.arange(len(table))
    order[several] = several[np.lexsort((*keys, np.cumsum(first)[several]))]
    return table.take(pa.array(order))


def _first_of_each_key(table: pa.Table) -> NDArray[np.bool_]:
    first = np.zeros(len(table), bool)
    first[:1] = True
    for values in (_numpy(table[USER]), _numpy(table[EXPERIENCE]), _moments(table[RATED_AT])):
        first[1:] |= values[1:] != values[:-1]
    return first


def _numpy(column: pa.ChunkedArray) -> NDArray[Any]:
    values: NDArray[Any] = column.to_numpy()
    return values


def _moments(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Microseconds; 0 where there is none."""
    moments = pc.cast(column, pa.int64())
    return _numpy(pc.fill_null(moments, 0) if moments.null_count else moments)
