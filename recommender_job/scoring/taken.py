"""Which experiences users have rated, block by block of users."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.tables import EXPERIENCE, USER

#: Rows that are looked up at once.
ROWS = 2**19
#: Ids that lie in a range of so many times their number are looked up in a table of the whole range.
SPREAD = 8
#: The bits of the experience.
_LOW = 0xFFFFFFFF

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Taken:
    """Pairs of users and experiences, as places in the users and experiences asked for.

    Args:
        begins: Where the pairs of each user begin, and where those of the last one end; shape [users + 1].
        experiences: Places of their experiences, of each user in any order; one may repeat. Shape [k].
    """

    begins: Numbers
    experiences: NDArray[np.int32]

    @classmethod
    def of(
        cls,
        frames: Sequence[pd.DataFrame],
        users: Numbers,
        experiences: Numbers,
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
            compiled: Whether to look up and sort as `compiled.pairs` does.
        """
        keys_of = _keys_of(_Lookup(users), _Lookup(experiences), compiled=compiled)

        def look_up(lane: int) -> list[Numbers]:
            return [keys_of(*rows) for frame in frames for rows in _rows(frame, lane, threads)]

        with ThreadPoolExecutor(threads) as pool:
            lanes = list(pool.map(look_up, range(threads)))
            if compiled:
                from recommender_job.scoring.compiled.pairs import count, put

                counts = np.zeros((threads, len(users)), np.int64)
                list(pool.map(lambda keys, own: [count(some, own) for some in keys], lanes, counts))
                # Of each user, the lanes stand one behind the other.
                ends = counts.T.ravel().cumsum().reshape(len(users), threads)
                found, places = cls._empty(ends[:, -1]), np.ascontiguousarray((ends - counts.T).T)
                list(pool.map(lambda keys, own: [put(some, own, found.experiences) for some in keys], lanes, places))
                return found
        keys = np.concatenate([np.zeros(0, np.int64), *(keys for lane in lanes for keys in lane)])
        keys.sort()
        found = cls._empty(keys.searchsorted(np.arange(1, len(users) + 1) << 32))
        found.experiences[:] = keys & _LOW
        return found

    @classmethod
    def _empty(cls, ends: Numbers) -> Taken:
        return cls(np.concatenate([[0], ends]), np.empty(ends[-1], np.int32))

    def within(self, start: int, stop: int) -> tuple[Numbers, Numbers]:
        """Pairs of the users from `start` up to `stop`, each once, ascending.

        Returns:
            Place of the user, counted from `start`, and of the experience; shape [k] each.
        """
        begins = self.begins[start : stop + 1]
        keys = np.arange(stop - start).repeat(np.diff(begins)) << 32 | self.experiences[begins[0] : begins[-1]]
        keys.sort()
        other = keys[1:] != keys[:-1]
        if not other.all():
            keys = keys[np.concatenate([[True], other])]
        return keys >> 32, keys & _LOW


def _rows(frame: pd.DataFrame, lane: int, lanes: int) -> Iterator[tuple[Numbers, Numbers]]:
    """Users and experiences of a lane's share of a frame, some rows at a time."""
    users, experiences = frame[USER].to_numpy(), frame[EXPERIENCE].to_numpy()
    end = len(frame) * (lane + 1) // lanes
    for start in range(len(frame) * lane // lanes, end, ROWS):
        rows = slice(start, min(start + ROWS, end))
        yield users[rows], experiences[rows]


def _keys_of(user_of: _Lookup, experience_of: _Lookup, *, compiled: bool) -> Callable[[Numbers, Numbers], Numbers]:
    """What looks pairs up: the place of the user times 2**32 plus that of the experience, where there are both."""
    users_at, experiences_at = user_of.table, experience_of.table
    if compiled and users_at is not None and experiences_at is not None:
        from recommender_job.scoring.compiled.pairs import keys_of

        lowest = np.array([user_of.lowest, experience_of.lowest])
        return lambda users, experiences: keys_of(users, experiences, users_at, lowest, experiences_at)

    def keys_by_numpy(users: Numbers, experiences: Numbers) -> Numbers:
        keys = user_of(users) << 32 | experience_of(experiences)  # negative where one of them is
        found: Numbers = keys[keys >= 0]
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
