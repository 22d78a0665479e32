"""The quarantine: every refused row with its origin, column, reason and content. Nothing is thrown away silently."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from recommender_job.storage.copying import copy_frame
from recommender_job.storage.database import Database, Transaction

#: Rows that are loaded at once.
PART_ROWS = 100_000
_COLUMNS = ["origin", "line", "column_name", "reason", "content", "user_text"]


def keep_refused(transaction: Transaction, origin: str, refused: pd.DataFrame) -> None:
    """Adds refused rows.

    Args:
        transaction: Where.
        origin: The run that refused them, or the file.
        refused: `line` (int, None for rows of a table), `column_name`, `reason`, `content`, and `user_text`, the user
            as written (None where that cannot be told); at most `PART_ROWS` rows.
    """
    copy_frame(transaction, "recommender.quarantine", _COLUMNS, refused.assign(origin=origin))


def forget_old(transaction: Transaction, keep_days: float) -> int:
    """Deletes rows that were refused longer ago than so many days; returns how many."""
    return transaction.run(
        "delete from recommender.quarantine where refused_at < now() - make_interval(secs => :days * 86400)",
        days=keep_days,
    )


def forget_erased(transaction: Transaction) -> int:
    """Deletes rows of erased users, which a night that began before or a file brings back; returns how many."""
    return transaction.run(
        "delete from recommender.quarantine as q using recommender.erasure as e"
        " where q.user_text ~ '^[+-]?[0-9]{1,19}$' and cast(q.user_text as numeric) = e.user_id"
    )


def reasons(
    database: Database, *, origin: str | None = None, reason: str | None = None, limit: int | None = None
) -> list[dict[str, Any]]:
    """What was refused, by origin, column and reason, the latest first.

    Args:
        database: Where.
        origin: Only this one.
        reason: Only columns and reasons that hold this text, in any case.
        limit: At most so many.

    Returns:
        `origin`, `column_name`, `reason`, `count`, `last_refused_at`.
    """
    with database.transaction() as transaction:
        return transaction.rows(
            "select origin, column_name, reason, count(*) as count, max(refused_at) as last_refused_at"
            " from recommender.quarantine"
            " where (cast(:origin as text) is null or origin = :origin)"
            " and (cast(:reason as text) is null or strpos(lower(column_name || ' ' || reason), lower(:reason)) > 0)"
            " group by origin, column_name, reason"
            " order by last_refused_at desc, count desc, origin, column_name, reason limit :limit",
            origin=origin,
            reason=reason,
            limit=limit,
        )


def refused_rows(
    database: Database, *, origin: str | None = None, reason: str | None = None, limit: int | None = None
) -> list[dict[str, Any]]:
    """The refused rows themselves, the latest first; arguments as for `reasons`.

    Returns:
        `quarantine_id`, `origin`, `line`, `column_name`, `reason`, `content`, `user_text`, `refused_at`.
    """
    with database.transaction() as transaction:
        return transaction.rows(
            "select quarantine_id, origin, line, column_name, reason, content, user_text, refused_at"
            " from recommender.quarantine"
            " where (cast(:origin as text) is null or origin = :origin)"
            " and (cast(:reason as text) is null or strpos(lower(column_name || ' ' || reason), lower(:reason)) > 0)"
            " order by refused_at desc, origin, line, quarantine_id limit :limit",
            origin=origin,
            reason=reason,
            limit=limit,
        )


def count(
    database: Database, *, origin: str | None = None, older_than: float | None = None, ids: Sequence[int] | None = None
) -> int:
    """How many rows `drop` would delete."""
    with database.transaction() as transaction:
        return int(
            transaction.rows(
                "select count(*) as count from recommender.quarantine"
                " where (cast(:origin as text) is null or origin = :origin)"
                " and (cast(:age as float8) is null or refused_at < now() - make_interval(secs => :age * 86400))"
                " and (cast(:ids as bigint[]) is null or quarantine_id = any(cast(:ids as bigint[])))",
                origin=origin,
                age=older_than,
                ids=None if ids is None else list(ids),
            )[0]["count"]
        )


def drop(
    database: Database, *, origin: str | None = None, older_than: float | None = None, ids: Sequence[int] | None = None
) -> int:
    """Deletes rows for good.

    Args:
        database: Where.
        origin: Only of this one.
        older_than: Only those that were refused longer ago than so many days.
        ids: Only these. Without any restriction all rows go.

    Returns:
        How many were deleted.
    """
    with database.transaction() as transaction:
        return transaction.run(
            "delete from recommender.quarantine"
            " where (cast(:origin as text) is null or origin = :origin)"
            " and (cast(:age as float8) is null or refused_at < now() - make_interval(secs => :age * 86400))"
            " and (cast(:ids as bigint[]) is null or quarantine_id = any(cast(:ids as bigint[])))",
            origin=origin,
            age=older_than,
            ids=None if ids is None else list(ids),
        )
