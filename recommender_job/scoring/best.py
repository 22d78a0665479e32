"""The best of each row, exactly: equal values in the order of their places."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recommender_job.arrays import Floats

Places = NDArray[np.int64]

#: Lowest value that counts; what a user may not have is -inf.
LOWEST = np.finfo(np.float32).min
#: Rows of a multiple of this length can be folded; it is the most that one column of a folded row stands for.
MULTIPLE = 32
#: A row is folded while that many times k columns are left, so that hardly more than k values pass the bound.
ENOUGH = 16
_NOTHING = np.iinfo(np.int64).max
_PLACE = 0xFFFFFFFF


class Best:
    """The k highest values of each row, highest first; of equal ones, the lower place first.

    Rows are given in one piece or in several, from left to right. Folded a few times, each column keeping the highest
    of what it stands for, a piece shows a bound that k of its values reach: the k-th of the columns. Only columns that
    reach it are looked into, and of later pieces only what is higher than the k-th so far.

    Args:
        rows: How many.
        k: How many of each; a row may hold fewer.
        compiled: Whether to let `compiled.best` do what it can. What is found is the same.
    """

    def __init__(self, rows: int, k: int, *, compiled: bool = False) -> None:
        self._k, self._compiled = k, compiled
        # The value, turned so that the highest comes first, above 32 bits of the place.
        self._keys = np.full((rows, k), _NOTHING)

    @property
    def there(self) -> NDArray[np.bool_]:
        """Whether there is one at all, shape [rows, k]."""
        there: NDArray[np.bool_] = self._keys != _NOTHING
        return there

    @property
    def places(self) -> Places:
        """Their places, shape [rows, k]; 0 where there is none."""
        return np.where(self.there, self._keys & _PLACE, 0)

    @property
    def values(self) -> Floats:
        """The values, shape [rows, k]; -inf where there is none."""
        return np.where(self.there, _value(self._keys >> 32), np.float32(-np.inf))

    def add(self, values: Floats, first: int = 0, row: int = 0) -> None:
        """Looks at the next piece of some rows.

        Args:
            values: Of so many rows, from `row` on; shape [b, n], C-contiguous. -inf is never among the best, and not a
                number must not occur.
            first: Place of their first column; every earlier piece's places are lower.
            row: The first of the rows.
        """
        keys = self._keys[row : row + len(values)]
        if not self._compiled:
            keys[:] = _kept(values, first, keys)
            return
        # Only here: loading it takes half a second.
        from recommender_job.scoring.compiled.best import MOST, keep_best

        left = np.ones(len(values), np.bool_)
        if self._k <= MOST:
            keep_best(values, first, keys, left)
        if left.any():
            keys[left] = _kept(values[left], first, keys[left])


def best(values: Floats, k: int) -> tuple[Places, NDArray[np.bool_]]:
    """The best of rows in one piece.

    Args:
        values: As `Best.add` takes them.
        k: 1 to m.

    Returns:
        Places of shape [b, k], and whether there is one at all.
    """
    found = Best(len(values), k)
    found.add(values)
    return found.places, found.there


def _kept(values: Floats, first: int, keys: Places) -> Places:
    """The k best of what is kept of each row and of the next piece of it."""
    columns, k = values.shape[1], keys.shape[1]
    folded = _folded(values, ENOUGH * k)
    width = folded.shape[1]
    full = keys[:, -1] != _NOTHING
    with np.errstate(over="ignore"):  # above the highest number there is
        above = np.nextafter(_value(keys[:, -1] >> 32), np.float32(np.inf))
    bound = np.where(full, above, LOWEST)
    if not full.all() and width >= k:
        bound = np.maximum(bound, np.sort(folded, axis=1)[:, width - k])
    row, column = np.divmod(np.flatnonzero(folded >= bound[:, None]), width)
    # A column of the folded row stands for every width-th one from it on.
    flat = ((row * columns + column)[:, None] + np.arange(0, columns, width)).ravel()
    found = values.reshape(-1)[flat]
    reach = found >= np.repeat(bound[row], columns // width)
    owner, place = np.divmod(flat[reach], columns)
    return _merged(keys, owner, _descending(found[reach]) << 32 | (place + first))


def _merged(kept: Places, rows: Places, keys: Places) -> Places:
    """The k first of what is kept of each row and of the keys given; `rows` is ascending."""
    if not len(keys):
        return kept
    k, counts = kept.shape[1], np.bincount(rows, minlength=len(kept))
    table = np.full((len(kept), k + int(counts.max())), _NOTHING)
    table[:, :k] = kept
    table[rows, np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows] + k] = keys
    table.sort(axis=1)
    return table[:, :k]


def _folded(values: Floats, least: int) -> Floats:
    """The highest of every 2, 4, 8... columns equally far apart, so that `least` columns are left or more."""
    columns, parts = values.shape[1], 1
    while parts < MULTIPLE and columns % (2 * parts) == 0 and columns >= 2 * parts * least:
        parts *= 2
    if parts == 1:
        return values
    width = columns // parts
    folded = np.maximum(values[:, :width], values[:, width : 2 * width])
    for start in range(2 * width, columns, width):
        np.maximum(folded, values[:, start : start + width], out=folded)
    return folded


def _descending(values: Floats) -> Places:
    """Whole numbers of 32 bits that are the lower, the higher the value; equal for 0.0 and -0.0."""
    bits = (values + np.float32(0)).view(np.int32)
    return (~(bits ^ ((bits >> 31) & 0x7FFFFFFF))).astype(np.int64)


def _value(turned: Places) -> Floats:
    """The values that `_descending` has turned into whole numbers."""
    bits = ~turned.astype(np.int32)
    return (bits ^ ((bits >> 31) & 0x7FFFFFFF)).view(np.float32)
