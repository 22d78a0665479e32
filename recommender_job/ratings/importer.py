"""Loads a ratings file into the sample source schema `website`, in one transaction, repeatably.

Loading the same file again changes nothing. How the file was read is kept too, so that its refused lines can be read
again.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recommender_job.errors import BadFile
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.moving import STAGED, Merge, merge, stage, stage_nothing
from recommender_job.ratings.quarantine import forget_erased, keep_refused
from recommender_job.ratings.reader import Batch, read_batches, user_as_kept
from recommender_job.storage.database import Database, Transaction

#: What begins the origin of a refused line of a file.
IMPORTED = "import "
#: A name and its key are indexed, and an entry of an index is bounded.
NAME_CHARACTERS = 500
_BIGGEST_ID = 2**63 - 1
#: How many loads of a file of the same name are remembered: they tell which line became which event.
_MERGES_KEPT = 10


def import_ratings(
    database: Database,
    file: Path,
    columns: Columns,
    *,
    now: datetime,
    scale: tuple[float, float],
    progress: Callable[[int], None] = lambda lines: None,
) -> dict[str, int]:
    """Loads a file.

    Args:
        database: Where the schema `website` is.
        file: CSV with one rating a line.
        columns: How to read it.
        now: Ratings after this moment are refused.
        scale: Lowest and highest rating.
        progress: Called with the number of lines read so far.

    Returns:
        `read` lines, of which `imported` are new, `corrected` changed a known event, `unchanged` were there already
        and `rejected` went to `recommender.quarantine`; `users` and `experiences` in the file.

    Raises:
        BadFile: The file cannot be read at all, or not one of its lines can.
    """
    with database.transaction() as transaction:
        origin = origin_of(file)
        before = merges_of(transaction, origin)
        transaction.run("delete from recommender.quarantine where origin = :origin", origin=origin)
        stage_nothing(transaction)
        read = rejected = 0
        first = ""
        batch = None
        for batch in read_batches(file, columns):
            rows, refused = usable(batch, now, scale)
            stage(transaction, rows)
            keep_refused(transaction, origin, refused)
            read += len(rows) + len(refused)
            rejected += len(refused)
            first = first or (_described(refused.iloc[0]) if len(refused) else "")
            progress(read)
        forget_erased(transaction)
        if read and read == rejected:
            raise BadFile(
                f"{file}: none of its {read} lines can be read; the first: {first}.",
                action="Check the separator, the columns and --date-format.",
            )
        counts, merged = merge(transaction)
        if batch is not None and merged is not None:
            reading = dataclasses.replace(columns, date_format=batch.date_format)
            remember_reading(transaction, origin, batch.header, reading, [*before, merged])
    return {"read": read, **counts, "rejected": rejected}


def origin_of(file: Path) -> str:
    """What the quarantine calls a file."""
    return f"{IMPORTED}{file.name.encode('utf-8', 'replace').decode()}"


def remember_reading(
    transaction: Transaction, origin: str, header: str, columns: Columns, merges: Sequence[Merge]
) -> None:
    """Keeps how a file was read, and when its lines were moved into the schema `website`."""
    kept = [[merge.moment.isoformat(), merge.last_line] for merge in merges[-_MERGES_KEPT:]]
    transaction.run(
        "insert into recommender.imported_file (origin, header, reading)"
        " values (:origin, :header, cast(:reading as jsonb))"
        " on conflict (origin) do update set header = excluded.header, reading = excluded.reading, imported_at = now()",
        origin=origin,
        header=header,
        reading=json.dumps({**dataclasses.asdict(columns), "merges": kept}),
    )


def reading_of(transaction: Transaction, origin: str) -> tuple[str, Columns, list[Merge]] | None:
    """The header of a file, how it was read, and when its lines were moved; None when that is not known.

    No other transaction reads the file again before this one ends.
    """
    row = transaction.row(
        "select header, reading from recommender.imported_file where origin = :origin for update", origin=origin
    )
    if row is None:
        return None
    reading: dict[str, Any] = row["reading"]
    merges = [Merge(datetime.fromisoformat(moment), last_line) for moment, last_line in reading.pop("merges")]
    return row["header"], Columns(**reading), merges


def merges_of(transaction: Transaction, origin: str) -> list[Merge]:
    """When lines of a file of that name were moved before."""
    found = reading_of(transaction, origin)
    return found[2] if found else []


def usable(batch: Batch, now: datetime, scale: tuple[float, float]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Splits the lines of a batch into those the schema takes and those it does not.

    Returns:
        Rows with the columns `moving.STAGED`; and refused lines like `Batch.rejected`, those of the batch among them,
        ascending by line.
    """
    rows = batch.rows
    whole = rows["user"].str.fullmatch(r"[+-]?\d{1,19}")
    user = rows["user"].where(whole, "0").map(int)
    too_long = (rows["experience"].str.len() > NAME_CHARACTERS) | (rows["experience_key"].str.len() > NAME_CHARACTERS)
    checks = [
        ("user", ~whole | ~user.between(-_BIGGEST_ID - 1, _BIGGEST_ID), "is not a whole number of 64 bits"),
        ("experience", too_long, f"is longer than {NAME_CHARACTERS} characters"),
        ("rating", ~rows["rating"].between(*scale), f"is outside the scale {scale[0]:g} to {scale[1]:g}"),
        ("rated_at", rows["rated_at"] > pd.Timestamp(now), f"lies in the future of {now:%Y-%m-%d %H:%M} UTC"),
    ]
    conditions = [bad for _, bad, _ in checks]
    names = np.select(conditions, [batch.names[role] for role, _, _ in checks], "")
    reasons = np.select(conditions, [reason for _, _, reason in checks], "")
    bad = reasons != ""
    refused = rows.loc[bad, ["line", "content"]].assign(
        column_name=names[bad], reason=reasons[bad], user_text=rows["user"][bad].map(user_as_kept)
    )
    good = rows[~bad]
    staged = good.assign(
        user_id=user[good.index].astype("int64"),
        name_key=good["experience_key"],
        spelling=good["experience"],
        # As the table stores it: a number too small for it becomes 0 here, not an error there.
        rating=good["rating"].astype("float32"),
    )
    every = [part for part in (batch.rejected, refused) if len(part)]
    return staged[STAGED], pd.concat(every).sort_values("line") if every else batch.rejected


def _described(refused: pd.Series) -> str:
    return " ".join(f"line {refused['line']} {refused['column_name']} {refused['reason']}".split())
