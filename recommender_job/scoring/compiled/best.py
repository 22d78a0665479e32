"""The best of each row, without a branch that a processor could mispredict."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recommender_job.arrays import Floats
from recommender_job.scoring.compiled.compiler import Keys, Number, compiled

#: A row is folded into so many columns, each the highest of those that it stands for. Hardly more than k values reach
#: what k of the columns reach.
COLUMNS = 128
#: The highest k.
MOST = COLUMNS // 2
#: Values that may reach the bound. Where more do, most are equal, and the row is left to others.
REACHING = 4 * MOST
#: Keys compared at once.
_TOGETHER = 16
_LOWEST = np.finfo(np.float32).min
_NOTHING = np.iinfo(np.int64).max


@compiled
def keep_best(values: Floats, first: int, keys: Keys, left: NDArray[np.bool_]) -> None:
    """Keeps the k best of what is kept of each row and of the next piece of the row.

    Args:
        values: The pieces, shape [rows, n]. -inf is never kept, and not a number must not occur.
        first: Place of their first column; above all places kept.
        keys: What is kept, as `best.Best` keeps it, shape [rows, k], k up to `MOST`. Changed.
        left: Written: which rows are left as they were, shape [rows].
    """
    columns, k = values.shape[1], keys.shape[1]
    highest, turned = np.empty(COLUMNS, np.float32), np.empty(COLUMNS, np.int32)
    reaching, order = np.empty(COLUMNS + 1, np.int64), np.empty(2 * k + REACHING, np.int64)
    found = np.empty(k + REACHING + columns // COLUMNS + _TOGETHER, np.int64)
    for row in range(len(values)):
        kept = keys[row]
        _fold(values[row], highest)
        bound = max(_bound(highest, turned, k), np.float32(_LOWEST))
        if kept[k - 1] != _NOTHING:
            bound = max(bound, np.nextafter(_value(kept[k - 1]), np.float32(np.inf)))
        count = 0
        while count < k and kept[count] != _NOTHING:
            found[count] = kept[count]
            count += 1
        count = _gather(values[row], first, highest, bound, reaching, found, count)
        left[row] = count > k + REACHING
        if not left[row]:
            _sort(found, count, order)
            for place in range(min(count, k)):
                kept[place] = order[place]


@compiled
def _fold(row: Floats, highest: Floats) -> None:
    """Writes the highest of every `COLUMNS`-th value, from each of the first on."""
    highest[:] = -np.inf
    start = 0
    while start + 4 * COLUMNS <= len(row):  # four at once: what is highest so far is read and written that much less
        for column in range(COLUMNS):
            one, two = row[np.uint64(start + column)], row[np.uint64(start + column + COLUMNS)]
            three, four = row[np.uint64(start + column + 2 * COLUMNS)], row[np.uint64(start + column + 3 * COLUMNS)]
            one, three = one if one > two else two, three if three > four else four
            one = one if one > three else three
            highest[column] = one if one > highest[column] else highest[column]
        start += 4 * COLUMNS
    while start < len(row):
        for column in range(min(COLUMNS, len(row) - start)):
            value = row[np.uint64(start + column)]
            highest[column] = value if value > highest[column] else highest[column]
        start += COLUMNS


@compiled
def _bound(highest: Floats, turned: NDArray[np.int32], k: int) -> Number:
    """What k of the columns reach, and no more of them unless some are equal."""
    for column in range(COLUMNS):
        turned[column] = _ordered(highest[column])
    low, high = np.int64(turned.min()), np.int64(turned.max()) + 1
    while high - low > 1:
        middle = (low + high) >> 1
        reach = np.int32(0)
        for column in range(COLUMNS):
            reach += np.int32(turned[column] >= np.int32(middle))
        low, high = (middle if reach >= k else low), (high if reach >= k else middle)
        if reach == k:
            break
    return _of_ordered(np.int32(low))


@compiled
def _gather(
    row: Floats, first: int, highest: Floats, bound: Number, reaching: Keys, found: Keys, count: Number
) -> Number:
    """Writes the keys of values that reach the bound behind the first `count`; how many there are then.

    What is written is counted only if it is to be kept, or else overwritten by the next.
    """
    reach: Number = 0
    for column in range(COLUMNS):
        reaching[np.uint64(reach)] = column
        reach += np.int64(highest[column] >= bound)
    begin, room = count, len(found) - len(row) // COLUMNS - _TOGETHER
    for number in range(reach):
        for column in range(reaching[number], len(row), COLUMNS):
            found[np.uint64(count)] = column
            count += np.int64(row[np.uint64(column)] >= bound)
        if count > room:
            break
    for number in range(begin, count):
        column = found[number]
        found[number] = _key(row[column], first + column)
    return count


@compiled
def _sort(found: Keys, count: int, order: Keys) -> None:
    """Writes different keys in ascending order."""
    whole = (count + _TOGETHER - 1) // _TOGETHER * _TOGETHER
    found[count:whole] = _NOTHING
    for number in range(count):
        key, rank = found[number], np.int64(0)
        for start in range(0, whole, _TOGETHER):
            for other in range(_TOGETHER):
                rank += np.int64(found[np.uint64(start + other)] < key)
        order[np.uint64(rank)] = key


@compiled
def _ordered(value: Number) -> Number:
    """A whole number that is the higher, the higher the value."""
    bits = np.float32(value + np.float32(0)).view(np.int32)
    return np.int32(bits ^ ((bits >> np.int32(31)) & np.int32(0x7FFFFFFF)))


@compiled
def _of_ordered(ordered: Number) -> Number:
    return np.int32(ordered ^ ((ordered >> np.int32(31)) & np.int32(0x7FFFFFFF))).view(np.float32)


@compiled
def _key(value: Number, place: int) -> Number:
    return ~np.int64(_ordered(value)) << 32 | place


@compiled
def _value(key: Number) -> Number:
    return _of_ordered(np.int32(~(key >> 32)))
