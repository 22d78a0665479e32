"""Which experiences users have already, or do not want: pairs by user."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.arrays import Floats, Ints
from recommender_job.tables import EXPERIENCE, USER

#: Rows that are looked up at once.
ROWS = 2**19
#: Ids that lie in a range of so many times their number are looked up in a table of the whole range.
SPREAD = 8
#: The bits of the experience.
_LOW = 0xFFFFFFFF


@dataclass(frozen=True)
class Taken:
    """Pairs of users and experiences, as places in the users and experiences asked for.

    Args:
        begins: Where the pairs of each user begin, and where those of the last one end; shape [users + 1].
        experiences: Places of their experiences, of each user in any order; one may repeat. Shape [k].
    """

    begins: Ints
    experiences: NDArray[np.int32]

    @classmethod
    def of(
        cls,
        frames: Sequence[pd.DataFrame],
        users: Ints,
        experiences: Ints,
        threads: int = 1,
        *,
        compiled: bool = False,
    ) -> Taken:
        """Where the pairs of all frames stand in `users` and `experiences`, both ascending; others are left away.

        Args:
            frames: `user_id`, `experience_id`.
            users: Ids.
            experiences: Ids.
            threads: How many to use.
            compiled: Whether to let `compiled.pairs` do it.
        """
        look_up = _look_up(_Lookup(users), _Lookup(experiences), compiled=compiled)
        # What each thread must know of all users is to be less than what it looks up.
        lanes = max(min(threads, sum(map(len, frames)) // len(users)), 1)

        def looked_up(lane: int) -> list[Ints]:
            return [look_up(*rows) for frame in frames for rows in _rows(frame, lane, lanes)]

        with ThreadPoolExecutor(lanes) as pool:
            keys = list(pool.map(looked_up, range(lanes)))
            return _counted(keys, len(users), pool) if compiled else _sorted(keys, len(users))

    def leave_out(self, values: Floats, users: Ints, first: int, *, compiled: bool) -> None:
        """Writes -inf where users may not have an experience.

        Args:
            values: Shape [b, n]. Changed.
            users: Places of the users, ascending, shape [b].
            first: Place of the experience of the first column.
            compiled: Whether to let `compiled.pairs` do it.
        """
        if compiled:
            from recommender_job.scoring.compiled.pairs import leave_out

            leave_out(values, self.begins, self.experiences, users, first)
            return
        rows = np.full(users[-1] - users[0] + 1, -1)
        rows[users - users[0]] = np.arange(len(users))
        owners, experiences = self._between(int(users[0]), int(users[-1]) + 1)
        row, column = rows[owners], experiences - first
        here = (row >= 0) & (column >= 0) & (column < values.shape[1])
        values[row[here], column[here]] = -np.inf

    def within(self, start: int, stop: int) -> tuple[Ints, Ints]:
        """Pairs of the users from `start` up to `stop`, each once, ascending.

        Returns:
            Place of the user, counted from `start`, and of the experience; shape [k] each.
        """
        owners, experiences = self._between(start, stop)
        keys = owners << 32 | experiences
        keys.sort()
        other = keys[1:] != keys[:-1]
        if not other.all():
            keys = keys[np.concatenate([[True], other])]
        return keys >> 32, keys & _LOW

    def _between(self, start: int, stop: int) -> tuple[Ints, NDArray[np.int32]]:
        begins = self.begins[start : stop + 1]
        return np.arange(stop - start).repeat(np.diff(begins)), self.experiences[begins[0] : begins[-1]]


def _counted(lanes: list[list[Ints]], users: int, pool: ThreadPoolExecutor) -> Taken:
    """The pairs of all lanes, each lane's in a thread."""
    from recommender_job.scoring.compiled.pairs import count, put

    def each(work: Callable[..., None], numbers: Ints, *more: NDArray[np.int32]) -> None:
        def lane(keys: list[Ints], own: Ints) -> None:
            for some in keys:
                work(some, own, *more)

        list(pool.map(lane, lanes, numbers))

    counts = np.zeros((len(lanes), users), np.int64)
    each(count, counts)
    # Of each user, the lanes stand one behind the other.
    ends = counts.T.ravel().cumsum().reshape(users, len(lanes))
    taken = Taken(np.append(0, ends[:, -1]), np.empty(ends[-1, -1], np.int32))
    each(put, np.ascontiguousarray((ends - counts.T).T), taken.experiences)
    return taken


def _sorted(lanes: list[list[Ints]], users: int) -> Taken:
    """The pairs of all lanes, by NumPy."""
    keys = np.concatenate([np.zeros(0, np.int64), *(keys for lane in lanes for keys in lane)])
    keys.sort()
    begins = keys.searchsorted(np.arange(users + 1) << 32)
    return Taken(begins, (keys & _LOW).astype(np.int32))


def _rows(frame: pd.DataFrame, lane: int, lanes: int) -> Iterator[tuple[Ints, Ints]]:
    """Users and experiences of a lane's share of a frame, some rows at a time."""
    users, experiences = frame[USER].to_numpy(), frame[EXPERIENCE].to_numpy()
    end = len(frame) * (lane + 1) // lanes
    for start in range(len(frame) * lane // lanes, end, ROWS):
        rows = slice(start, min(start + ROWS, end))
        yield users[rows], experiences[rows]


def _look_up(user_of: _Lookup, experience_of: _Lookup, *, compiled: bool) -> Callable[[Ints, Ints], Ints]:
    """What makes keys of ids: the place of the user times 2**32 plus that of the experience, where there are both."""
    users_at, experiences_at = user_of.table, experience_of.table
    if compiled and users_at is not None and experiences_at is not None:
        from recommender_job.scoring.compiled.pairs import keys_of

        lowest = np.array([user_of.lowest, experience_of.lowest])
        return lambda users, experiences: keys_of(users, experiences, users_at, lowest, experiences_at)

    def keys_by_numpy(users: Ints, experiences: Ints) -> Ints:
        keys = user_of(users) << 32 | experience_of(experiences)  # negative where one of them is
        found: Ints = keys[keys >= 0]
        return found

    return keys_by_numpy


class _Lookup:
    """Places of ids among others, ascending; -1 for those that are not there.

    `table` holds those of the ids from the lowest on, and a last -1; None where they lie too far apart.
    """

    def __init__(self, among: NDArray[np.int64]) -> None:
        self._among = among
        self.lowest = among[0]
        self._span = int(among[-1]) - int(among[0]) + 1
        self.table: NDArray[np.int64] | None = None
        if self._span <= SPREAD * len(among):
            self.table = np.full(self._span + 1, -1, np.int64)
            self.table[among - self.lowest] = np.arange(len(among))

    def __call__(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        if self.table is not None:
            # Without a sign, what lies before the first is far behind the last.
            offset = (ids - self.lowest).view(np.uint64)
            found: NDArray[np.int64] = self.table[np.minimum(offset, np.uint64(self._span)).view(np.int64)]
            return found
        place = np.minimum(np.searchsorted(self._among, ids), len(self._among) - 1)
        return np.where(self._among[place] == ids, place, -1)
