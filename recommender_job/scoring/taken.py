"""Which experiences users have rated, block by block of users."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.tables import EXPERIENCE, USER

#: Rows that are looked up and sorted at once; what is sorted is merged only for a block of users.
ROWS = 2**19
#: Ids that lie in a range of so many times their number are looked up in a table of the whole range.
SPREAD = 8
#: The bits of the experience.
LOW = 0xFFFFFFFF


@dataclass(frozen=True)
class Taken:
    """Pairs of users and experiences, as places in the users and experiences asked for.

    Args:
        runs: Place of the user times 2**32 plus that of the experience; each run ascends by user, shape [k].
    """

    runs: tuple[NDArray[np.int64], ...]

    @classmethod
    def of(
        cls,
        rated: pd.DataFrame,
        users: NDArray[np.int64],
        experiences: NDArray[np.int64],
        threads: int = 1,
        *,
        compiled: bool = False,
    ) -> Taken:
        """Where the rated pairs stand in `users` and `experiences`, both ascending; others are left away.

        Args:
            rated: `user_id`, `experience_id`.
            users: Ids.
            experiences: Ids.
            threads: How many to use.
            compiled: Whether to look up and sort as `compiled.pairs` does.
        """
        user_of, experience_of = _Lookup(users), _Lookup(experiences)
        rows = rated[USER].to_numpy(), rated[EXPERIENCE].to_numpy()
        # As much for each thread.
        size = -(-len(rated) // (-(-len(rated) // (threads * ROWS)) * threads)) if len(rated) else 1

        def run(start: int) -> NDArray[np.int64]:
            own = rows[0][start : start + size], rows[1][start : start + size]
            if not compiled:
                keys = _keys(*own, user_of, experience_of)
                keys.sort()
                return keys
            from recommender_job.scoring.compiled.pairs import by_user, keys_of

            tables, lowest = (user_of.table, experience_of.table), np.array([users[0], experiences[0]])
            if tables[0] is not None and tables[1] is not None:
                keys = keys_of(*own, tables[0], lowest, tables[1])
            else:
                keys = _keys(*own, user_of, experience_of)
            return by_user(keys, len(users))

        starts = range(0, len(rated), size)
        if threads == 1 or len(starts) == 1:
            return cls(tuple(map(run, starts)))
        with ThreadPoolExecutor(threads) as pool:
            return cls(tuple(pool.map(run, starts)))

    def __add__(self, other: Taken) -> Taken:
        """The pairs of either."""
        return Taken((*self.runs, *other.runs))

    def keys(self, start: int, stop: int) -> list[NDArray[np.int64]]:
        """What the runs hold of the users from `start` up to `stop`; a pair may be in several."""
        ends = np.array([start, stop]) << 32
        return [run[slice(*run.searchsorted(ends))] for run in self.runs]

    def within(self, start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs of the users from `start` up to `stop`, each once, ascending.

        Returns:
            Place of the user, counted from `start`, and of the experience; shape [k] each.
        """
        keys = np.concatenate([np.zeros(0, np.int64), *self.keys(start, stop)])
        keys.sort()
        other = keys[1:] != keys[:-1]
        if not other.all():
            keys = keys[np.concatenate([[True], other])]
        return (keys >> 32) - start, keys & LOW


def _keys(
    users: NDArray[np.int64], experiences: NDArray[np.int64], user_of: _Lookup, experience_of: _Lookup
) -> NDArray[np.int64]:
    keys = user_of(users) << 32 | experience_of(experiences)  # negative where one of them is
    found: NDArray[np.int64] = keys[keys >= 0]
    return found


class _Lookup:
    """Places of ids among others, ascending; -1 for those that are not there.

    `table` holds those of the ids from the lowest on, and a last -1; None where they lie too far apart.
    """

    def __init__(self, among: NDArray[np.int64]) -> None:
        self._among = among
        self._span = int(among[-1]) - int(among[0]) + 1
        self.table: NDArray[np.int64] | None = None
        if self._span <= SPREAD * len(among):
            self.table = np.full(self._span + 1, -1, np.int64)
            self.table[among - among[0]] = np.arange(len(among))

    def __call__(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        if self.table is not None:
            # Without a sign, what lies before the first is far behind the last.
            offset = (ids - self._among[0]).view(np.uint64)
            found: NDArray[np.int64] = self.table[np.minimum(offset, np.uint64(self._span)).view(np.int64)]
            return found
        place = np.minimum(np.searchsorted(self._among, ids), len(self._among) - 1)
        return np.where(self._among[place] == ids, place, -1)
