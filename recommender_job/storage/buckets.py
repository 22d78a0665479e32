"""Rows of whole numbers set apart on the disk, so that they can be looked at bucket by bucket, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.arrays import Ints
from recommender_job.errors import StorageFailed


class Buckets:
    """A table of int64 columns in so many parts.

    Args:
        folder: An empty place for the files, which is made; whoever owns the place removes them.
        count: Number of buckets.
        columns: Names of the columns.
    """

    def __init__(self, folder: Path, count: int, columns: Sequence[str]) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._columns = list(columns)
        self._rows = np.zeros(count, np.int64)
        self.count = count

    def add(self, bucket: Ints, *columns: Ints) -> None:
        """Appends rows.

        Args:
            bucket: Number of each row's bucket, from 0; shape [k].
            columns: Values of each column; shape [k] each.
        """
        # So few different numbers are sorted faster when they are short.
        order = np.argsort(bucket.astype(np.uint16), kind="stable")
        rows = np.stack([column[order] for column in columns], axis=1)
        counts = np.bincount(bucket, minlength=self.count)
        ends = np.cumsum(counts)
        for number, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
            if start < end:
                with self._file(number).open("ab") as file:
                    file.write(rows[start:end].data)
        self._rows += counts

    def read(self, number: int) -> pd.DataFrame:
        """The rows of one bucket, in the order in which they came.

        Raises:
            StorageFailed: Somebody has removed or changed its file meanwhile.
        """
        shape, file = (int(self._rows[number]), len(self._columns)), self._file(number)
        values = np.zeros(0, np.int64)
        if shape[0]:
            try:
                os.utime(file)  # erasing takes what nobody has touched for long for left behind
                values = np.fromfile(file, np.int64)
            except FileNotFoundError:
                pass
        if len(values) != shape[0] * shape[1]:
            raise StorageFailed(
                f"{file} was removed or changed by another process while it was needed.",
                action="Retry when no other attempt at this task runs.",
            )
        return pd.DataFrame(values.reshape(shape), columns=self._columns)

    def _file(self, number: int) -> Path:
        return self._folder / str(number)


def ascending(values: Ints) -> NDArray[np.intp]:
    """The places of values in their order; equal ones stay as they stand.

    Sixteen bits at a time, lowest first: numpy sorts so short numbers by counting, ids in a fifth of the time.

    Args:
        values: Shape [k].
    """
    if not len(values):
        return np.zeros(0, np.intp)
    left = values.view(np.uint64) - values.min().view(np.uint64)  # wraps around to what they are above the least
    order = np.argsort(left.astype(np.uint16), kind="stable")
    for bits in range(16, int(left.max()).bit_length(), 16):
        order = order[np.argsort((left >> np.uint64(bits)).astype(np.uint16)[order], kind="stable")]
    return order
