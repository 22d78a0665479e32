"""The best of each row, exactly: equal values in the order of their places."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recommender_job.scoring.product import Floats

Places = NDArray[np.int64]

#: Lowest value that counts; what a user may not have is -inf.
LOWEST = np.finfo(np.float32).min
#: Rows of a multiple of this length can be folded five times.
MULTIPLE = 32
#: A row is folded while that many times k columns are left, so that hardly more than k values pass the bound.
ENOUGH = 16
_NOTHING = np.iinfo(np.int64).max


def best(values: Floats, k: int) -> tuple[Places, NDArray[np.bool_]]:
    """The k highest values of each row, highest first; of equal ones, the lower place first.

    Folded in half a few times, each column keeping the higher of two values, a row shows a bound that k of its values
    reach: the k-th of the columns. Only columns that reach it are looked into.

    Args:
        values: Shape [b, m], C-contiguous; -inf is never among the best. Not a number must not occur.
        k: 1 to m.

    Returns:
        Places of shape [b, k], and whether there is one at all: a row may hold fewer than k, and its last places are
        0 then.
    """
    users, columns = values.shape
    folded = values
    while folded.shape[1] % 2 == 0 and folded.shape[1] >= 2 * ENOUGH * k:
        half = folded.shape[1] // 2
        folded = np.maximum(folded[:, :half], folded[:, half:])
    width = folded.shape[1]
    bound = np.maximum(np.partition(folded, width - k, axis=1)[:, width - k], LOWEST)
    row, column = np.divmod(np.flatnonzero(folded >= bound[:, None]), width)
    # A column of the folded row stands for every width-th one from it on.
    flat = ((row * columns + column)[:, None] + np.arange(0, columns, width)).ravel()
    found = values.ravel()[flat]
    reach = found >= np.repeat(bound[row], columns // width)
    rows, places = np.divmod(flat[reach], columns)
    keys = _table(rows, _descending(found[reach]) << 32 | places, users, k)
    keys.sort(axis=1)
    there = keys[:, :k] != _NOTHING
    return np.where(there, keys[:, :k] & 0xFFFFFFFF, 0), there


def _descending(values: Floats) -> Places:
    """Whole numbers of 32 bits that are the lower, the higher the value; equal for 0.0 and -0.0."""
    bits = (values + np.float32(0)).view(np.int32)
    return (~(bits ^ ((bits >> 31) & 0x7FFFFFFF))).astype(np.int64)


def _table(rows: Places, keys: Places, users: int, k: int) -> Places:
    """The keys of each row side by side, k at least, filled up with `_NOTHING`; `rows` is ascending."""
    counts = np.bincount(rows, minlength=users)
    table = np.full((users, max(k, int(counts.max(initial=0)))), _NOTHING)
    table[rows, np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows]] = keys
    return table
