"""One pass over a snapshot, part by part: the refused rows apart, and of the usable rows of each pair the latest."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from recommender_job.ratings.watermark import SNAPSHOT
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.run_files import batches
from recommender_job.tables import EXPERIENCE, RATED_AT, SOURCE_RATINGS, USER

_KEY = (USER, EXPERIENCE, RATED_AT)
Split = Callable[[pd.DataFrame], tuple[pd.DataFrame, pd.DataFrame]]
Take = Callable[[pd.DataFrame], None]


def sift(folder: RunFolder, split: Split, *, refuse: Take, keep: Take) -> int:
    """Separates a snapshot's rows.

    Args:
        folder: The run folder.
        split: Separates usable rows from refused ones, as `usable.split_rejected` does.
        refuse: Gets the refused rows, as `split` returns them.
        keep: Gets the latest usable row of each (user, experience), of `tables.SOURCE_RATINGS`. Each pair comes once,
            and the pairs ascend.

    Returns:
        Rows of the snapshot.

    Raises:
        ArtifactBroken: The snapshot is missing or damaged, or its rows do not ascend.
    """
    rows = 0
    held = SOURCE_RATINGS.empty_table().to_pandas()
    for part in _ascending(folder):
        rows += len(part)
        usable, refused = split(part)
        refuse(refused)
        # The last pair may go on in the next part; a snapshot ascends, so all rows of a pair are neighbours.
        latest = _latest_of_each_pair(pd.concat([held, usable], ignore_index=True))
        keep(latest[:-1])
        held = latest[-1:]
    keep(held)
    return rows


def _latest_of_each_pair(rows: pd.DataFrame) -> pd.DataFrame:
    """The last row of each pair is the latest: a snapshot holds each moment of a pair once."""
    user, experience = rows[USER].to_numpy(), rows[EXPERIENCE].to_numpy()
    is_last = np.ones(len(rows), bool)
    is_last[:-1] = (user[1:] != user[:-1]) | (experience[1:] != experience[:-1])
    return rows[is_last]


def _ascending(folder: RunFolder) -> Iterator[pd.DataFrame]:
    """The rows of the snapshot, which ascend by user, experience and moment; each of these keys is there once."""
    rows = 0
    last: list[NDArray[np.int64]] = [np.empty(0, np.int64)] * len(_KEY)
    for batch in batches(folder, SNAPSHOT):
        with folder.reading(SNAPSHOT):
            table = pa.Table.from_batches([batch]).select(SOURCE_RATINGS.names).cast(SOURCE_RATINGS)
            keys = [
                np.concatenate([before, table[name].cast(pa.int64()).to_numpy()])
                for before, name in zip(last, _KEY, strict=True)
            ]
            ascends = _ascends(keys)
            if not ascends.all():
                place = int(np.argmin(ascends)) + 1 - len(last[0])
                named = ", ".join(f"{name} {table[name][place].as_py()}" for name in _KEY)
                raise ValueError(f"row {rows + place + 1:,} ({named}) does not come after the row before it")
        rows += len(batch)
        last = [key[-1:] for key in keys]
        yield table.to_pandas()


def _ascends(keys: list[NDArray[np.int64]]) -> NDArray[np.bool_]:
    """For each row but the first, whether its key is greater than the one before."""
    greater = np.zeros(max(len(keys[0]) - 1, 0), bool)
    for key in reversed(keys):
        greater = (key[1:] > key[:-1]) | ((key[1:] == key[:-1]) & greater)
    return greater
