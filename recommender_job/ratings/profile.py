"""The figures of a night's ratings as a whole, and those of the nights before it that were accepted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from recommender_job.config import Config
from recommender_job.errors import ArtifactBroken
from recommender_job.ratings.distribution import Distribution
from recommender_job.ratings.known import Ids, Seen
from recommender_job.runs import Run, folder_of
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database
from recommender_job.storage.run_files import batches
from recommender_job.tables import EXPERIENCE, USER


@dataclass(frozen=True)
class Night:
    """A night's ratings as a whole.

    Args:
        run_id, cutoff: Of the run.
        figures: What `figures` returns.
    """

    run_id: str
    cutoff: datetime
    figures: dict[str, Any]


@dataclass(frozen=True)
class Rated:
    """Who has ratings, and what has some, of the users and experiences that are known tonight."""

    users: Seen
    experiences: Seen

    @classmethod
    def by_nobody(cls, users: Ids, experiences: Ids) -> Rated:
        """Of these known ids, none yet."""
        return cls(Seen(users), Seen(experiences))

    def add(self, users: Ids, experiences: Ids) -> None:
        """Sees these ratings too; what is not known is passed over."""
        self.users.add(users)
        self.experiences.add(experiences)


def figures(
    rated: Rated,
    distribution: Distribution,
    *,
    snapshot_rows: int,
    source_rows: int | None,
    rejected: int,
    before: Rated | None,
) -> dict[str, Any]:
    """What a night is compared by.

    Args:
        rated: By and for whom there are clean ratings.
        distribution: Of all clean ratings.
        snapshot_rows: Rows of the snapshot.
        source_rows: Ratings that the source held; None: not known.
        rejected: Rows of the snapshot that were refused.
        before: The same as `rated` of the last accepted night; None: there is none, or its ratings are gone.

    Returns:
        `snapshot_rows`, `source_rows`, `pairs`, `users`, `experiences`; `refused_share` of the snapshot's rows;
        `new_users_share`, `new_experiences_share`: share of those with ratings that had none in `before`, None without
        it; `distribution` of the ratings.
    """
    return {
        "snapshot_rows": snapshot_rows,
        "source_rows": source_rows,
        "pairs": distribution.ratings,
        "users": rated.users.count,
        "experiences": rated.experiences.count,
        "refused_share": rejected / snapshot_rows if snapshot_rows else 0.0,
        "new_users_share": None if before is None else _new_share(rated.users, before.users),
        "new_experiences_share": None if before is None else _new_share(rated.experiences, before.experiences),
        "distribution": distribution.shares,
    }


def _new_share(seen: Seen, before: Seen) -> float | None:
    return 1 - seen.in_common(before) / seen.count if seen.count else None


def rated_before(config: Config, night: Night, name: str, rated: Rated) -> Rated | None:
    """Which of tonight's users and experiences had clean ratings in an earlier night, read batch by batch.

    Args:
        config: Says where the run folders lie.
        night: The earlier one.
        name: Its file of clean ratings.
        rated: Tonight's; says which users and experiences are known.

    Returns:
        None when the night's folder is gone or damaged.
    """
    folder = RunFolder(config.runs, folder_of(night.run_id))
    before = Rated.by_nobody(rated.users.known, rated.experiences.known)
    try:
        for batch in batches(folder, name, [USER, EXPERIENCE]):
            with folder.reading(name):
                before.add(batch.column(USER).to_numpy(), batch.column(EXPERIENCE).to_numpy())
    except ArtifactBroken:
        return None
    return before


def accepted_nights(database: Database, run: Run, most: int) -> list[Night]:
    """The nights that were accepted before, the latest first.

    Args:
        database: Where they are kept.
        run: Nights of a later cutoff, and the run itself, are left out.
        most: At most so many.
    """
    with database.transaction() as transaction:
        # By cutoff: a look at the past, however recent, is not what the next night continues.
        rows = transaction.rows(
            "select run_id, cutoff, figures from recommender.profile"
            " where cutoff <= :cutoff and run_id <> :run_id order by cutoff desc, accepted_at desc limit :most",
            cutoff=run.cutoff,
            run_id=run.run_id,
            most=most,
        )
    return [Night(**row) for row in rows]


def accept(database: Database, night: Night) -> None:
    """Keeps a night's figures, for later nights to be held to."""
    with database.transaction() as transaction:
        transaction.run(
            "insert into recommender.profile (run_id, cutoff, figures)"
            " values (:run_id, :cutoff, cast(:figures as jsonb)) on conflict (run_id) do update"
            " set cutoff = excluded.cutoff, figures = excluded.figures, accepted_at = excluded.accepted_at",
            run_id=night.run_id,
            cutoff=night.cutoff,
            figures=json.dumps(night.figures),
        )
