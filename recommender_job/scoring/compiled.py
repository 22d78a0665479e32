"""Loops for which NumPy has no call, compiled: threads that are in one do not wait for one another.

Loading the compiler takes half a second and 110 MiB, the first call on a machine five seconds more. So they are for
much work (`lists.COMPILED_FROM`); whoever calls them gets the same without them, to the bit, in more time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])
Keys = NDArray[np.int64]
Floats = NDArray[np.float32]
#: Numbers whose widths Numba tells apart, and types for people do not. Places are unsigned where a loop is to be short:
#: Python's could be negative, and would count from the end.
Number = Any

#: A row is folded into so many columns, each the highest of those that it stands for. Hardly more than k values reach
#: what k of the columns reach.
COLUMNS = 128
#: The highest k.
MOST = COLUMNS // 2
#: Values that may reach the bound. Where more do, most are equal, and the row is left to others.
REACHING = 4 * MOST
#: Keys compared at once.
_TOGETHER = 16
#: Columns added up at once: they stay in the first-level cache.
_WIDTH = 2048
_LOWEST = np.finfo(np.float32).min
_NOTHING = np.iinfo(np.int64).max


def _compiled(function: F) -> F:
    how = {"nogil": True, "error_model": "numpy"}
    try:
        made: F = numba.njit(**how, cache=True)(function)
    except RuntimeError:  # there is no folder to keep it in: then each process compiles it
        made = numba.njit(**how)(function)
    return made


@_compiled
def add_rows(out: Floats, matrix: Floats, begins: Keys, ends: Keys, rows: Keys, together: int) -> None:
    """Adds up rows of a matrix, so many in a sum of their own, one after the other, for each row of `out`.

    Args:
        out: What is added to, shape [b, n]. Changed.
        matrix: Shape [m, n].
        begins: Where in `rows` the rows for each of `out` begin, shape [b].
        ends: Where they end.
        rows: Numbers of rows of the matrix.
        together: How many make a sum.
    """
    sums = np.empty(_WIDTH, np.float32)
    for owner in range(len(out)):
        for start in range(0, out.shape[1], _WIDTH):
            width = min(_WIDTH, out.shape[1] - start)
            own = out[owner, start : start + width]
            for begin in range(begins[owner], ends[owner], together):
                sums[:width] = matrix[rows[begin], start : start + width]
                for place in range(begin + 1, min(begin + together, ends[owner])):
                    row = matrix[rows[place], start : start + width]
                    for column in range(width):
                        sums[column] += row[column]
                for column in range(width):
                    own[column] += sums[column]


@_compiled
def keys_of(users: Keys, experiences: Keys, user_places: Keys, lowest: Keys, experience_places: Keys) -> Keys:
    """Pairs as keys, place of the user times 2**32 plus that of the experience; those without a place are left away.

    Args:
        users: Ids, shape [n].
        experiences: Ids, shape [n].
        user_places: Places of the users from the lowest id on, -1 where there is none.
        lowest: The lowest id of users, and of experiences.
        experience_places: Places of the experiences, likewise.
    """
    keys = np.empty(len(users), np.int64)
    count: Number = 0
    above_users, above_experiences = np.uint64(len(user_places)), np.uint64(len(experience_places))
    for number in range(len(users)):
        # Without a sign, what lies before the lowest is far behind the last.
        user, experience = np.uint64(users[number] - lowest[0]), np.uint64(experiences[number] - lowest[1])
        if user < above_users and experience < above_experiences:
            key = user_places[user] << 32 | experience_places[experience]
            keys[np.uint64(count)] = key
            count += np.int64(key >= 0)
    return keys[:count]


@_compiled
def by_user(keys: Keys, users: int) -> Keys:
    """The same keys in the order of their users, by counting; those of a user stay in the order in which they stand.

    Args:
        keys: Shape [n].
        users: Above all of their places.
    """
    ends, out = np.zeros(users + 1, np.int64), np.empty_like(keys)
    for key in keys:
        ends[np.uint64((key >> 32) + 1)] += 1
    for user in range(users):
        ends[user + 1] += ends[user]
    for key in keys:
        place = np.uint64(key >> 32)
        out[np.uint64(ends[place])] = key
        ends[place] += 1
    return out


@_compiled
def leave_out(values: Floats, keys: Keys, users: Keys, first: int) -> None:
    """Writes -inf where users may not have an experience.

    Args:
        values: Shape [b, n]. Changed.
        keys: Place of the user times 2**32 plus that of the experience, ascending by user.
        users: Place of the user of each row, ascending, shape [b].
        first: Place of the experience of the first column.
    """
    place, above = 0, len(keys)
    while place < above:  # the first key that is not before all of the users
        middle = (place + above) >> 1
        before = keys[middle] >> 32 < users[0]
        place, above = (middle + 1 if before else place), (above if before else middle)
    for row in range(len(users)):
        while place < len(keys) and keys[place] >> 32 < users[row]:
            place += 1
        while place < len(keys) and keys[place] >> 32 == users[row]:
            column = (keys[place] & 0xFFFFFFFF) - first
            if 0 <= column < values.shape[1]:
                values[row, column] = -np.inf
            place += 1


@_compiled
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


@_compiled
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


@_compiled
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


@_compiled
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


@_compiled
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


@_compiled
def _ordered(value: Number) -> Number:
    """A whole number that is the higher, the higher the value."""
    bits = np.float32(value + np.float32(0)).view(np.int32)
    return np.int32(bits ^ ((bits >> np.int32(31)) & np.int32(0x7FFFFFFF)))


@_compiled
def _of_ordered(ordered: Number) -> Number:
    return np.int32(ordered ^ ((ordered >> np.int32(31)) & np.int32(0x7FFFFFFF))).view(np.float32)


@_compiled
def _key(value: Number, place: int) -> Number:
    return ~np.int64(_ordered(value)) << 32 | place


@_compiled
def _value(key: Number) -> Number:
    return _of_ordered(np.int32(~(key >> 32)))
