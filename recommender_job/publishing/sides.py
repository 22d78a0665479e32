"""What each shard's lists are looked at beside: its users, what they rated and opted out of, and the live lists.

All of it is set apart by shard on the disk first, so that only one shard of it is ever in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from recommender_job.publishing.popular import Totals
from recommender_job.ratings.clean import CLEAN
from recommender_job.ratings.extract import USERS
from recommender_job.scoring.eligibility import shard_of
from recommender_job.scoring.plan import PLANNED_OPT_OUTS, users_of_shard
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.binary_rows import BinaryRows
from recommender_job.storage.buckets import Buckets, ascending
from recommender_job.storage.database import Transaction
from recommender_job.storage.run_files import batches
from recommender_job.tables import EXPERIENCE, RATING, USER

#: Users whose live lists are read, about; by lot where there are more: a mean over so many is right to 0.4 %.
LIVE_USERS = 20_000
#: Lots that users are in, by a hash that PostgreSQL keeps the same.
_LOTS = 2**20
#: Users whose lists are checked at once.
USERS_AT_ONCE = 10_000
_PAIR = [USER, EXPERIENCE]
_LIVE = pa.schema([pa.field(name, pa.int64(), nullable=False) for name in _PAIR])


@dataclass(frozen=True)
class Side:
    """What belongs to one shard.

    Args:
        planned: The users that the plan puts there, ascending.
        active: Users, by the source, who are active and belong there.
        rated: `user_id`, `experience_id` of the ratings of users who belong there, ascending by user.
        opt_outs: The same, of the opt-outs that hold.
    """

    planned: NDArray[np.int64]
    active: NDArray[np.int64]
    rated: pd.DataFrame
    opt_outs: pd.DataFrame

    def parts(self, *tables: pd.DataFrame) -> Iterator[tuple[NDArray[np.int64], list[pd.DataFrame]]]:
        """A few thousand planned users at a time, and their rows of some tables.

        Args:
            tables: Each ascends by `user_id`. Every row is in one of the parts, also that of a user who is not planned.
        """
        starts = range(0, max(len(self.planned), 1), USERS_AT_ONCE)
        bounds = self.planned[list(starts)[1:]]
        cuts = [[0, *np.searchsorted(table[USER].to_numpy(), bounds), len(table)] for table in tables]
        for number, start in enumerate(starts):
            rows = [table.iloc[cut[number] : cut[number + 1]] for table, cut in zip(tables, cuts, strict=True)]
            yield self.planned[start : start + USERS_AT_ONCE], rows


class Sides:
    """Reads the run's files once, whole, but only a batch of them at a time.

    Args:
        folder: The run folder.
        shards: Numbers of the shards that hold users.
        count: How many shards there are in all.
        scratch: A local folder.

    Raises:
        ArtifactBroken: A file is missing or damaged.
    """

    def __init__(self, folder: RunFolder, shards: list[int], count: int, scratch: Path) -> None:
        self._folder = folder
        self._shards = shards
        self._count = count
        self.totals = Totals()
        self._rated = Buckets(scratch / "rated", count, _PAIR)
        self._opt_outs = Buckets(scratch / "opt_outs", count, _PAIR)
        self._active = Buckets(scratch / "active", count, [USER])
        for batch in batches(folder, CLEAN, [*_PAIR, RATING]):
            self.totals.add(batch.select([EXPERIENCE, RATING]).to_pandas())
            _set_apart(self._rated, batch)
        for batch in batches(folder, PLANNED_OPT_OUTS, _PAIR):
            _set_apart(self._opt_outs, batch)
        for batch in batches(folder, USERS, [USER, "is_active"]):
            _set_apart(self._active, batch.filter(batch["is_active"]).select([USER]))

    def __iter__(self) -> Iterator[Side]:
        """The sides of all shards, those without planned users too."""
        for shard in range(self._count):
            yield self.of(shard)

    def of(self, shard: int) -> Side:
        """The side of one shard."""
        planned = users_of_shard(self._folder, shard) if shard in self._shards else np.zeros(0, np.int64)
        active = self._active.read(shard)[USER].to_numpy()
        return Side(planned, active, _by_user(self._rated.read(shard)), _by_user(self._opt_outs.read(shard)))

    def left_out(self) -> Iterator[pd.DataFrame]:
        """`user_id`, `experience_id` of what planned users have rated or opted out of, shard by shard."""
        for side in self:
            pairs = pd.concat([side.rated, side.opt_outs])
            yield pairs[pairs[USER].isin(side.planned)]


class Live:
    """The lists of the active publication, or of some of its users; none where nothing is active.

    Args:
        count: How many shards there are.
        scratch: A local folder that is not there yet.
    """

    def __init__(self, count: int, scratch: Path) -> None:
        self._pairs = Buckets(scratch, count, _PAIR)
        self.publication_id: int | None = None
        #: The share of its users whose lists were read.
        self.share = 1.0

    def read(self, transaction: Transaction, publication_id: int) -> None:
        """Fetches them."""
        self.publication_id = publication_id
        told = transaction.rows(
            "select users from recommender.publication where publication_id = :id", id=publication_id
        )
        lots = min(_LOTS, -(-LIVE_USERS * _LOTS // max(int(told[0]["users"]), 1)))
        self.share = lots / _LOTS
        rows = BinaryRows(_LIVE, lambda table: _set_apart(self._pairs, table))
        with rows.sink() as sink:
            transaction.copy_out(
                "select user_id, experience_id from recommender.recommendation"
                " where publication_id = %(id)s and hashint8(user_id) & %(last)s < %(lots)s",
                {"id": publication_id, "last": _LOTS - 1, "lots": lots},
                sink,
                binary=True,
            )

    def of(self, shard: int) -> pd.DataFrame:
        """`user_id`, `experience_id` of users who belong to a shard, ascending by user."""
        return _by_user(self._pairs.read(shard))


def _set_apart(buckets: Buckets, rows: Any) -> None:
    columns = [np.asarray(rows[name]) for name in rows.schema.names if name in _PAIR]
    buckets.add(shard_of(columns[0], buckets.count), *columns)


def _by_user(pairs: pd.DataFrame) -> pd.DataFrame:
    return pairs.iloc[ascending(pairs[USER].to_numpy())]
