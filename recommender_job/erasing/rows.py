"""Deletes a user's rows in the database: the lists of every publication, and refused ratings."""

from __future__ import annotations

from recommender_job.publishing.publications import lock
from recommender_job.storage import partitions
from recommender_job.storage.database import Database, Transaction

# A nightly row says whose it is; a line of a file says it in `user_text`, and may hold other lines where a quote was
# left open.
_QUARANTINE = """
    delete from recommender.quarantine
    where content ~ :nightly
    or user_text ~ :written
    or (
        (user_text is null or content ~ :line_break)
        and not starts_with(content, :nightly_start)
        and content ~ :anywhere
    )
"""


def erase_rows(database: Database, user_id: int) -> tuple[dict[str, int], int]:
    """Deletes a user's lists and refused ratings, while nobody publishes; readers are not held up.

    A refused line of a file that does not say whose it is goes if the id stands in it anywhere as a whole number, also
    as a rating or a part of a date: rather somebody else's unusable line is lost than the person's is kept.

    Args:
        database: Where the publications are.
        user_id: Whom to erase.

    Returns:
        Rows that were deleted, by publication id, where there were any; and how many in the quarantine.

    Raises:
        PublicationBusy: Another run is publishing; nothing was deleted.
    """
    with database.transaction() as transaction:
        lock(transaction)
        found = {one: _erase_list(transaction, one, user_id) for one in sorted(partitions.existing(transaction))}
        refused = transaction.run(_QUARANTINE, **_patterns(user_id))
    return {str(publication_id): rows for publication_id, rows in found.items() if rows}, refused


def _erase_list(transaction: Transaction, publication_id: int, user_id: int) -> int:
    rows = partitions.delete_user(transaction, publication_id, user_id)
    if rows:
        transaction.run(
            "update recommender.publication set users = users - 1, rows = rows - :rows where publication_id = :id",
            rows=rows,
            id=publication_id,
        )
    return rows


def _patterns(user_id: int) -> dict[str, str]:
    """Regular expressions of PostgreSQL that find an id as it may have been written."""
    digits = f"0*{abs(user_id)}"
    signed = f"-{digits}" if user_id < 0 else f"[+]?{digits}"
    return {
        "nightly_start": '{"user_id":',
        "nightly": f'^[{{]"user_id": ?{user_id}[,}}]',
        "written": f"^[^[:alnum:]+-]*{signed}([.]0*)?[^[:alnum:]]*$",
        "anywhere": f"(^|[^0-9]){signed if user_id < 0 else digits}([^0-9]|$)",
        "line_break": r"[\n\r]",
    }
