"""Shows a publication that was built and checked but not shown, such as that of a dry run."""

from __future__ import annotations

from typing import Any

from recommender_job.errors import RunTooOld
from recommender_job.publishing.publications import chosen, kept, lock, switch
from recommender_job.storage.database import Database


def activate(database: Database, publication_id: int, *, force: bool = False) -> dict[str, Any]:
    """Makes a publication active.

    Args:
        database: Where the publications are.
        publication_id: Which one.
        force: Also when the active one knows later ratings.

    Returns:
        `publication_id` now active, and `previous`, None where nothing was.

    Raises:
        NotPublished: There is no such publication.
        PublicationBusy: Another run is publishing.
        RunTooOld: The active publication knows later ratings.
    """
    with database.transaction() as transaction:
        lock(transaction)
        rows = kept(transaction)
        target = chosen(rows, publication_id)
        active = next((row for row in rows if row["is_active"]), None)
        if active and target["data_through"] < active["data_through"] and not force:
            raise RunTooOld(
                f"Publication {active['publication_id']}, with ratings through {active['data_through']:%Y-%m-%d %H:%M}"
                f" UTC, is active; publication {publication_id} knows ratings through"
                f" {target['data_through']:%Y-%m-%d %H:%M} UTC only.",
                action=f"To go back on purpose: `recommender-job publications rollback {publication_id}`.",
            )
        switch(transaction, publication_id)
    return {"publication_id": publication_id, "previous": active["publication_id"] if active else None}
