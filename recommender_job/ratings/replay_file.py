"""Reads the refused lines of an imported file again, as the file was read, and imports those that can be read now."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from recommender_job.errors import BadFile
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.importer import IMPORTED, reading_of, remember_reading, usable
from recommender_job.ratings.moving import merge_late, stage, stage_nothing
from recommender_job.ratings.quarantine import PART_ROWS
from recommender_job.ratings.reader import NOT_KEPT_AS_WRITTEN, read_lines_again
from recommender_job.storage.copying import copy_frame
from recommender_job.storage.database import Database, Transaction

_JUDGED = ["line", "column_name", "reason"]


def reading_is_known(transaction: Transaction, origin: str) -> bool:
    """Whether it is known how a file was read."""
    found = transaction.row("select from recommender.imported_file where origin = :origin", origin=origin)
    return found is not None


def read_file_again(
    database: Database,
    origin: str,
    *,
    now: datetime,
    scale: tuple[float, float],
    date_format: str | None = None,
    timezone: str | None = None,
) -> dict[str, Any]:
    """Imports the refused lines of a file that can be read now, in one transaction.

    They leave the quarantine; the others stay, with today's reason. The outcome is that of an import of the whole file
    today: a line is no event twice, and within a minute the file's order holds.

    Args:
        database: Where the quarantine and the schema `website` are.
        origin: What the quarantine calls the file.
        now: Ratings after this moment are refused.
        scale: Lowest and highest rating.
        date_format: Instead of the format by which the file was read.
        timezone: Instead of the zone in which the file was read.

    Returns:
        `origin`; `read` lines, of which `imported` are new events, `known` were there by another way, and `refused`
        stay; `not_repeatable`: lines that stay because they cannot be kept as they were written.

    Raises:
        BadFile: It is not known how the file was read, or the date format or the zone is none.
    """
    with database.transaction() as transaction:
        found = reading_of(transaction, origin)
        if found is None:
            raise BadFile(
                f"How the file of `{origin}` was read is not known: it was imported by an earlier version of the job.",
                action=f"Import it again: recommender-job import-ratings {origin.removeprefix(IMPORTED)}.",
            )
        header, columns, merges = found
        reading = _as_asked(columns, date_format, timezone)
        stage_nothing(transaction)
        transaction.run("create temporary table judged (line bigint, column_name text, reason text) on commit drop")
        refused = 0
        for batch in read_lines_again(header, _lines(transaction, origin), reading, name=origin):
            rows, still = usable(batch, now, scale)
            stage(transaction, rows)
            copy_frame(transaction, "judged", _JUDGED, still)
            refused += len(still)
        read = _take_out(transaction, origin)
        imported, merged = merge_late(transaction, merges)
        if merged is not None:
            remember_reading(transaction, origin, header, columns, [*merges, merged])
        left = transaction.rows(
            "select count(*) as count from recommender.quarantine where origin = :origin", origin=origin
        )[0]["count"]
    return {
        "origin": origin,
        "read": read + refused,
        "imported": imported,
        "known": read - imported,
        "refused": refused,
        "not_repeatable": left - refused,
    }


def _as_asked(columns: Columns, date_format: str | None, timezone: str | None) -> Columns:
    return dataclasses.replace(
        columns, date_format=date_format or columns.date_format, timezone=timezone or columns.timezone
    )


def _lines(transaction: Transaction, origin: str) -> Iterator[tuple[int, str]]:
    """Numbers and texts of the refused lines that were kept as they were written, ascending."""
    last = 0
    while rows := transaction.rows(
        "select line, content from recommender.quarantine where origin = :origin and line > :last"
        " and not reason = any(cast(:lossy as text[])) order by line limit :most",
        origin=origin,
        last=last,
        lossy=list(NOT_KEPT_AS_WRITTEN),
        most=PART_ROWS,
    ):
        yield from ((row["line"], row["content"]) for row in rows)
        last = rows[-1]["line"]


def _take_out(transaction: Transaction, origin: str) -> int:
    """Removes the staged lines from the quarantine, and tells today's reason of the others.

    Returns:
        How many are staged.
    """
    taken = transaction.run(
        "delete from recommender.quarantine as q using staged as s where q.origin = :origin and q.line = s.line",
        origin=origin,
    )
    transaction.run(
        "update recommender.quarantine as q set column_name = j.column_name, reason = j.reason"
        " from judged as j where q.origin = :origin and q.line = j.line"
        " and (q.column_name, q.reason) is distinct from (j.column_name, j.reason)",
        origin=origin,
    )
    return taken
