"""Erases a user from everything that the job keeps, and says what it did."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from recommender_job.config import Config
from recommender_job.erasing import receipts
from recommender_job.erasing.reports import erase_from_nights
from recommender_job.erasing.rows import erase_rows
from recommender_job.erasing.run_folder import erase_from_folder
from recommender_job.errors import ArtifactBroken, StorageFailed
from recommender_job.storage.database import Database
from recommender_job.storage.run_files import run_folders

NOT_TOUCHED = [
    "the source: delete the user, the ratings and the opt-outs there too, and in the end the keys of deleted ratings",
    "backups of the database and of the run folders",
    "run folders that lie elsewhere than `runs_url` says now, and what was exported or imported by hand",
    "temporary folders of workers that were killed while they wrote to an object store",
    "logs, also Airflow's, and notices that were sent: an error or a traceback may name a user id",
    "Airflow's own database: the words of who approved or rejected a blocked model may name one",
    "PostgreSQL's pages, in which deleted rows lie until it vacuums them",
    "what models learned from the user together with all others, until the next night trains anew",
]


def erase(
    config: Config,
    database: Database,
    user_id: int,
    *,
    now: datetime,
    progress: Callable[[str], None] = lambda place: None,
) -> dict[str, Any]:
    """Erases a user from every kept publication, the quarantine, and every file of every run folder.

    The user is remembered as erased first, so that whatever runs meanwhile leaves the user out. Erasing again is safe:
    it finishes what an attempt that was killed began, and cleans what a night that was running has left.

    Args:
        config: Says where the run folders lie.
        database: Where the publications are.
        user_id: Whom to erase; a user whom nobody knows is remembered as well.
        now: The time, to tell leftovers of killed attempts from what is being written.
        progress: Called with what is looked at next.

    Returns:
        The receipt of this attempt, as it was stored, with `user_id` and `erased_at`: `attempt`, its number;
        `begun_at`; `publications`: rows by publication id; `quarantine`: rows; `nights`: reasons
        of nights and of approvals that named the user; `runs`: what there is to say of each run folder (see `Erased`);
        `looked_at`: how many folders; `complete`: whether nothing had to be left out; `not_touched`.

    Raises:
        PublicationBusy: A night is publishing right now. The user is remembered, nothing is erased yet.
        StorageFailed, DatabaseAway: As anywhere. Erase again.
    """
    moments = receipts.begin(database, user_id)
    progress("lists and quarantine")
    publications, quarantine = erase_rows(database, user_id)
    nights = erase_from_nights(database, user_id)
    folders = run_folders(config.runs)
    runs = {}
    for folder in folders:
        progress(folder.path.name)
        runs[folder.path.name] = erase_from_folder(config, folder, user_id, now=now).as_dict()
    receipt = {
        "attempt": moments["attempt"],
        "begun_at": moments["begun_at"].isoformat(),
        "publications": publications,
        "quarantine": quarantine,
        "nights": nights,
        "runs": {name: erased for name, erased in runs.items() if erased},
        "looked_at": len(folders),
        "complete": not any({"unreadable", "in_use"} & erased.keys() for erased in runs.values()),
        "not_touched": NOT_TOUCHED,
    }
    receipts.end(database, user_id, receipt)
    return {"user_id": user_id, "erased_at": moments["erased_at"].isoformat(), **receipt}


def raise_if_incomplete(receipt: dict[str, Any]) -> None:
    """Fails when something that may hold the user had to be left out.

    Raises:
        ArtifactBroken: Files cannot be read; names the first of them.
        StorageFailed: A night may be writing files right now.
    """
    unreadable, in_use = (
        [f"{name}: {told}" for name, erased in receipt["runs"].items() for told in erased.get(what, [])]
        for what in ("unreadable", "in_use")
    )
    if unreadable:
        raise ArtifactBroken(
            f"{len(unreadable)} files cannot be read and may still hold the user; everything else is erased. The first:"
            f" {' '.join(unreadable[:3])}",
            action="Delete those files or their run folders, then erase again. `recommender-job erasures --json` lists"
            " them all.",
        )
    if in_use:
        raise StorageFailed(
            f"A night may be writing files that hold the user; everything else is erased. The first: {in_use[0]}.",
            action="Erase again when no night is running, or an hour after it was killed.",
        )
