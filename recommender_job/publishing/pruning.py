"""Drops publications that nobody will go back to, never under a reader's feet."""

from __future__ import annotations

from recommender_job.publishing.publications import LISTED, live_before_run, lock
from recommender_job.storage import partitions
from recommender_job.storage.database import Database


def prune(database: Database, keep: int, spared: int | None = None) -> list[int]:
    """Drops publications that nobody will go back to, and what an earlier pruning had to leave.

    They are forgotten first, under the publishers' lock, so that nobody can switch to one while its rows go.

    Args:
        database: Where they are.
        keep: How many stay of those that were active once, and of those that never were; one for each run. The active
            one always stays, and what was live before its run.
        spared: Stays too. What was active until a moment ago: a reader's transaction may have begun with it.

    Returns:
        Ids of those whose rows are gone; what a reader holds on to goes the next time.

    Raises:
        PublicationBusy: Another run is publishing; it will prune.
    """
    with database.transaction() as transaction:
        lock(transaction)
        runs: dict[bool, list[str]] = {True: [], False: []}
        before, staying, forgotten = live_before_run(transaction), set(), []
        for row in transaction.rows(LISTED):
            group = runs[row["published_at"] is not None]
            # An older one of a run that is shown is what a killed publication, or a dry run, left of that run.
            superseded = row["run_id"] in group or row["run_id"] in runs[True]
            always = row["is_active"] or row["publication_id"] in (before, spared)
            if always or (not superseded and len(group) < keep):
                group.append(row["run_id"])
                staying.add(row["publication_id"])
            else:
                forgotten.append(row["publication_id"])
        transaction.run("delete from recommender.publication where publication_id = any(:ids)", ids=forgotten)
        leftover = partitions.existing(transaction) - staying
    return partitions.drop(database, sorted(leftover))


def held(database: Database) -> list[int]:
    """Publications that were dropped but whose rows a reader still holds on to; the next pruning takes them."""
    with database.transaction() as transaction:
        return sorted(partitions.existing(transaction) - {row["publication_id"] for row in transaction.rows(LISTED)})
