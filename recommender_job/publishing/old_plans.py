"""Waits for statements that were planned before a partition was there.

PostgreSQL plans a statement first and takes its snapshot of the data a moment later. One that was planned just before a
partition was attached, and looks just after it became the active one, would find no row in it. So a partition is
attached for all to see before it becomes active, and such statements are let go by in between.
"""

from __future__ import annotations

import time

from recommender_job.storage.database import Transaction
from recommender_job.storage.partitions import PARENT

_PAUSE_SECONDS = 0.005


def wait_for_old_plans(transaction: Transaction, patience_seconds: float = 5.0) -> None:
    """Returns when everybody who looked at the lists at the time of the call has ended that transaction.

    Args:
        transaction: Begun after the partition was attached for all to see.
        patience_seconds: Whoever takes longer keeps a transaction open, and is not between planning and reading.
    """
    deadline = time.monotonic() + patience_seconds
    planned = _readers(transaction)
    while planned and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)
        planned &= _readers(transaction)


def _readers(transaction: Transaction) -> set[str]:
    """Transactions that hold the lock which planning takes and which stays until the transaction's end."""
    rows = transaction.rows(
        "select distinct virtualtransaction from pg_locks"
        " where relation = to_regclass(:parent) and granted and pid <> pg_backend_pid()",
        parent=PARENT,
    )
    return {row["virtualtransaction"] for row in rows}
