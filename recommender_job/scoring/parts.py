"""A shard's users a part at a time, with what they have rated and opted out of.

Ratings lie in the order of events, a shard's among all others. So they are read once, and set apart on the disk by the
part that their user is in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.ratings.clean import CLEAN
from recommender_job.scoring.plan import PLANNED_OPT_OUTS, PLANNED_USERS
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.buckets import Buckets
from recommender_job.storage.lookup import batches_where
from recommender_job.storage.mapped import rows_of
from recommender_job.storage.run_files import batches
from recommender_job.tables import EXPERIENCE, USER

#: What a part holds at most: users, and about so many ratings of theirs.
USERS_TOGETHER, RATINGS_TOGETHER = 50_000, 1_000_000
#: Parts of all users, if they were one shard: each is two files.
_MOST_PARTS = 4096
_PAIR = [USER, EXPERIENCE]


@dataclass(frozen=True)
class Part:
    """Some users of a shard.

    Args:
        users: Ids, ascending.
        rated: `user_id`, `experience_id` of their ratings, in the order of events.
        opt_outs: The same of their opt-outs that hold.
    """

    users: NDArray[np.int64]
    rated: pd.DataFrame
    opt_outs: pd.DataFrame


def parts_of_shard(folder: RunFolder, shard: int, scratch: Path) -> Iterator[Part]:
    """The parts of a shard, ascending by user; one is in memory at a time.

    Args:
        folder: The run folder.
        shard: Number of the shard; one without users has no parts.
        scratch: An empty local folder. It takes 8 bytes for each user of the shard, and 16 for each of their ratings.

    Raises:
        ArtifactBroken: A file of the run is missing or damaged.
    """
    users = _users(folder, shard, scratch / "users")
    if users is None:
        return
    size = part_size(rows_of(folder, PLANNED_USERS), rows_of(folder, CLEAN))
    starts = range(0, len(users), size)
    rated, opt_outs = (
        _set_apart(folder, name, users, size, Buckets(scratch / place, len(starts), _PAIR))
        for name, place in ((CLEAN, "rated"), (PLANNED_OPT_OUTS, "opt_outs"))
    )
    for number, start in enumerate(starts):
        yield Part(np.array(users[start : start + size]), rated.read(number), opt_outs.read(number))


def part_size(users: int, ratings: int) -> int:
    """How many users make a part, where so many users have given so many ratings."""
    by_ratings = RATINGS_TOGETHER * users // max(ratings, 1)
    return max(min(USERS_TOGETHER, by_ratings), -(-users // _MOST_PARTS), 1)


def _users(folder: RunFolder, shard: int, file: Path) -> NDArray[np.int64] | None:
    """The users of a shard, ascending, as they lie in a file; None where there are none."""
    with file.open("wb") as written:
        for batch in batches_where(folder, PLANNED_USERS, shard=shard):
            written.write(batch[USER].to_numpy().tobytes())
    return np.memmap(file, np.int64, "r") if file.stat().st_size else None


def _set_apart(folder: RunFolder, name: str, users: NDArray[np.int64], size: int, parts: Buckets) -> Buckets:
    for batch in batches(folder, name, _PAIR):
        user, experience = (batch[column].to_numpy() for column in _PAIR)
        place = np.minimum(np.searchsorted(users, user), len(users) - 1)
        own = users[place] == user
        parts.add(place[own] // size, user[own], experience[own])
    return parts
