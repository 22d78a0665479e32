"""What a night scores: which users in which shard, against which experiences, under which rules."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recommender_job.arrays import distinct
from recommender_job.config import Config
from recommender_job.errors import NothingToTrainOn
from recommender_job.ratings.clean import CLEAN, REJECTED
from recommender_job.ratings.extract import EXPERIENCE_RULES, EXPERIENCES, OPT_OUTS, USERS
from recommender_job.runs import Run
from recommender_job.scoring.eligibility import eligible_experiences, known_users, shard_of
from recommender_job.scoring.rules import GROUP_NUMBER, PIN, offered, opted_out
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.buckets import Buckets
from recommender_job.storage.lookup import rows_where
from recommender_job.storage.mapped import rows_of
from recommender_job.storage.run_files import batches
from recommender_job.tables import EXPERIENCE, GROUP, NAME, USER

PLANNED_USERS = "plan/users.parquet"
PLANNED_EXPERIENCES = "plan/experiences.parquet"
#: Pairs that say nothing of taste and stand in no list: opt-outs, and what was rated in a way that cannot be used.
PLANNED_OPT_OUTS = "plan/opt_outs.parquet"
SHARD = "shard"

#: What a shard holds at most where their number is not set: users, whose lists are in memory when they are published,
#: and pairs, some twenty minutes of a processor's work. Where only candidates get a predicted rating, a pair costs what
#: picking them takes, a hundredth; and each task reads the whole model and all ratings, so that they should be few.
SHARD_USERS = 250_000
SHARD_PAIRS = {"all": 4_000_000_000, "candidates": 400_000_000_000}
_LEAST, _MOST = 2, 1024
#: Parts in which users are looked for: of so many at once, as far as there are files for them.
AT_ONCE, _MOST_PARTS = 100_000, 256
_PLANNED = pa.schema([(USER, pa.int64()), (SHARD, pa.int64())])
_PAIRS = pa.schema([(USER, pa.int64()), (EXPERIENCE, pa.int64())])


def plan(config: Config, run: Run, folder: RunFolder) -> dict[str, Any]:
    """Writes the users with their shard, the experiences to offer with group and pin, and pairs that no list may hold.

    Returns:
        `shards`: numbers of the shards that hold users; `shards_in_all`: how many there are, the empty ones too;
        `users`; `eligible_experiences`, without the excluded ones; `excluded`: how many a rule leaves out; `pinned`:
        how many stand in front; `opt_outs`: pairs of these users and experiences.

    Raises:
        NothingToTrainOn: There is nobody to recommend to, or nothing to recommend.
        ArtifactBroken: A file is missing or damaged; those of rules also when an older version extracted.
    """
    eligible = eligible_experiences(folder.read_frame(EXPERIENCES), run.cutoff)
    experiences = offered(config.rules, eligible, folder.read_frame(EXPERIENCE_RULES))
    opt_outs = folder.read_frame(OPT_OUTS)
    opting, users = [], 0
    with folder.scratch("plan/users") as scratch:
        (known := scratch / "known").mkdir()
        parts = min(1 + rows_of(folder, USERS) // AT_ONCE, _MOST_PARTS)
        for number, part in enumerate(_known(folder, scratch, parts)):
            np.save(known / f"{number}.npy", part, allow_pickle=False)
            opting.append(part[np.isin(part, opt_outs[USER])])
            users += len(part)
        if not users or experiences.empty:
            raise NothingToTrainOn(
                f"There are {users} active users with ratings and {len(experiences)} eligible experiences"
                f" ({len(eligible) - len(experiences)} are excluded by rules).",
                action="Check is_active and the dates in sql/source/users.sql and sql/source/experiences.sql, and"
                " `rules.excluded` and is_excluded in sql/source/experience_rules.sql.",
            )
        count = config.shards or shards_for(users, len(experiences), config.predict)
        shards = Buckets(scratch / "shards", count, [USER])
        for number in range(parts):
            part = np.load(known / f"{number}.npy", allow_pickle=False)
            shards.add(shard_of(part, count), part)
        with folder.table_writer(PLANNED_USERS, _PLANNED) as write:
            holding = [shard for shard in range(count) if _write_shard(write, shards, shard)]
    held = opted_out(opt_outs, run.cutoff, np.concatenate(opting), experiences[EXPERIENCE].to_numpy())
    folder.write_table(PLANNED_EXPERIENCES, experiences)
    with folder.table_writer(PLANNED_OPT_OUTS, _PAIRS) as write:
        write(pa.Table.from_pandas(held, _PAIRS, preserve_index=False))
        for refused in batches(folder, REJECTED, _PAIRS.names):
            inside = refused.filter(pc.is_in(refused[EXPERIENCE], pa.array(experiences[EXPERIENCE])))
            if len(inside):
                write(pa.Table.from_batches([inside]).cast(_PAIRS))
    return {
        "shards": holding,
        "shards_in_all": count,
        "users": users,
        "eligible_experiences": len(experiences),
        "excluded": len(eligible) - len(experiences),
        "pinned": int(experiences[PIN].count()),
        "opt_outs": len(held),
    }


def shards_for(users: int, experiences: int, predict: str) -> int:
    """How many shards so much work is cut into; `predict` is the setting, `all` or `candidates`."""
    wanted = max(math.ceil(users / SHARD_USERS), math.ceil(users * experiences / SHARD_PAIRS[predict]))
    return min(max(wanted, _LEAST), _MOST)


def users_of_shard(folder: RunFolder, shard: int) -> NDArray[np.int64]:
    """The users of one shard, ascending; no others are held in memory."""
    return rows_where(folder, PLANNED_USERS, shard=shard)[USER].to_numpy(np.int64)


def planned_experiences(folder: RunFolder) -> pd.DataFrame:
    """What may be offered: `experience_id`, `name`, `group`, `group_name`, `pin`; ascending by id.

    Raises:
        ArtifactBroken: The file is missing, damaged, or from before there were groups and pins.
    """
    planned = folder.read_frame(PLANNED_EXPERIENCES)
    with folder.reading(PLANNED_EXPERIENCES):
        return planned[[EXPERIENCE, NAME, GROUP_NUMBER, GROUP, PIN]]


def _known(folder: RunFolder, scratch: Path, parts: int) -> Iterator[NDArray[np.int64]]:
    """Active users with ratings, in so many parts."""
    rated, people = (Buckets(scratch / name, parts, [USER]) for name in ("rated", "people"))
    for batch in batches(folder, CLEAN, [USER]):
        ids = distinct(batch[USER].to_numpy())
        rated.add(shard_of(ids, parts), ids)
    for batch in batches(folder, USERS, [USER, "is_active"]):
        ids = batch.filter(batch["is_active"])[USER].to_numpy()
        people.add(shard_of(ids, parts), ids)
    for number in range(parts):
        yield known_users(rated.read(number), people.read(number).assign(is_active=True))


def _write_shard(write: Any, shards: Buckets, shard: int) -> int:
    """Writes a shard's users as a row group of their own; returns how many they are."""
    users = np.sort(shards.read(shard)[USER].to_numpy())
    if len(users):
        write(pa.table([users, np.full(len(users), shard)], schema=_PLANNED))
    return len(users)
