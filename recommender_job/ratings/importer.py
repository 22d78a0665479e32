"""Loads a ratings file into the sample source schema `website`, in one transaction, repeatably.

Loading the same file again changes nothing: the events of one (user, experience, moment) are counted, and only
what the table lacks is added. A changed rating of a known event is a correction.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from recommender_job.errors import BadFile
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.reader import Batch, read_batches
from recommender_job.storage.database import Database, Transaction

_STAGED = ["line", "user_id", "name_key", "spelling", "rating", "rated_at"]
_REFUSED = ["origin", "line", "column_name", "reason", "content"]
_BIGGEST_ID = 2**63 - 1


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
        transaction.run(
            "create temporary table staged (line bigint, user_id bigint, name_key text, spelling text,"
            " rating real, rated_at timestamptz) on commit drop"
        )
        origin = f"import {file.name}"
        transaction.run("delete from recommender.quarantine where origin = :origin", origin=origin)
        read = rejected = 0
        first = ""
        for batch in read_batches(file, columns):
            rows, unusable = _usable(batch, now, scale)
            refused = pd.concat([batch.rejected, unusable]).sort_values("line")
            _copy(transaction, "staged", _STAGED, rows)
            _copy(transaction, "recommender.quarantine", _REFUSED, refused.assign(origin=origin))
            read += len(rows) + len(refused)
            rejected += len(refused)
            first = first or (_described(refused.iloc[0]) if len(refused) else "")
            progress(read)
        if read and read == rejected:
            raise BadFile(
                f"{file}: none of its {read} lines can be read; the first: {first}.",
                action="Check the separator, the columns and --date-format.",
            )
        transaction.run("analyze staged")
        counts = _merge(transaction)
    return {"read": read, **counts, "rejected": rejected}


def _usable(batch: Batch, now: datetime, scale: tuple[float, float]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Splits readable rows into those the schema takes and those it does not."""
    rows = batch.rows
    whole = rows["user"].str.fullmatch(r"[+-]?\d{1,19}")
    user = rows["user"].where(whole, "0").map(int)
    checks = [
        ("user", ~whole | ~user.between(-_BIGGEST_ID - 1, _BIGGEST_ID), "is not a whole number of 64 bits"),
        ("rating", ~rows["rating"].between(*scale), f"is outside the scale {scale[0]:g} to {scale[1]:g}"),
        ("rated_at", rows["rated_at"] > pd.Timestamp(now), f"lies in the future of {now:%Y-%m-%d %H:%M} UTC"),
    ]
    conditions = [bad for _, bad, _ in checks]
    names = np.select(conditions, [batch.names[role] for role, _, _ in checks], "")
    reasons = np.select(conditions, [reason for _, _, reason in checks], "")
    bad = reasons != ""
    refused = rows.loc[bad, ["line", "content"]].assign(column_name=names[bad], reason=reasons[bad])
    good = rows[~bad]
    staged = good.assign(
        user_id=user[good.index].astype("int64"),
        name_key=good["experience_key"],
        spelling=good["experience"],
        # As the table stores it: a number too small for it becomes 0 here, not an error there.
        rating=good["rating"].astype("float32"),
    )
    return staged[_STAGED], refused


def _copy(transaction: Transaction, table: str, columns: list[str], frame: pd.DataFrame) -> None:
    buffer = io.BytesIO()
    # Quoted, so that an empty text stays a text and does not turn into null.
    frame[columns].to_csv(buffer, index=False, header=False, quoting=2)
    buffer.seek(0)
    transaction.copy_in(table, columns, buffer)


def _described(refused: pd.Series) -> str:
    return " ".join(f"line {refused['line']} {refused['column_name']} {refused['reason']}".split())


def _merge(transaction: Transaction) -> dict[str, int]:
    """Moves the staged rows into the schema `website`."""
    transaction.run("insert into website.users (user_id) select distinct user_id from staged on conflict do nothing")
    transaction.run(
        "insert into website.experiences (name, name_key) select min(spelling), name_key from staged"
        " group by name_key order by min(line) on conflict do nothing"
    )
    # Files give minutes; within one, the file's order is the order of events. Each line counts as updated a microsecond
    # before the next, so that "updated last" means "further down" wherever two ratings are equally old.
    merged = transaction.rows(
        """
        with events as (
            select s.*, e.experience_id,
                row_number() over (partition by s.user_id, e.experience_id, s.rated_at order by s.line) as occurrence
            from staged as s inner join website.experiences as e on s.name_key = e.name_key
        ),
        merged as (
            insert into website.ratings as r (user_id, experience_id, rated_at, occurrence, rating, updated_at)
            select user_id, experience_id, rated_at, occurrence, rating,
                statement_timestamp() - (last_line - line) * interval '1 microsecond'
            from events cross join (select max(line) as last_line from staged) as file
            on conflict (user_id, experience_id, rated_at, occurrence) do update
            set rating = excluded.rating, updated_at = excluded.updated_at
            where r.rating is distinct from excluded.rating
            returning user_id, experience_id, rated_at, occurrence, (xmax = 0) as is_new
        ),
        spellings as (
            insert into website.experience_spellings as s (experience_id, spelling, seen)
            select e.experience_id, e.spelling, count(*)
            from merged as m
            inner join events as e using (user_id, experience_id, rated_at, occurrence)
            where m.is_new
            group by e.experience_id, e.spelling
            on conflict (experience_id, spelling) do update set seen = s.seen + excluded.seen
        )
        select count(*) filter (where is_new) as imported, count(*) filter (where not is_new) as corrected from merged
        """
    )[0]
    transaction.run(
        """
        update website.experiences as e
        set name = s.spelling
        from (
            select distinct on (experience_id) experience_id, spelling
            from website.experience_spellings order by experience_id, seen desc, spelling
        ) as s
        where e.experience_id = s.experience_id and e.name <> s.spelling
        """
    )
    in_file = transaction.rows(
        "select count(*) as rows, count(distinct user_id) as users, count(distinct name_key) as experiences from staged"
    )[0]
    return {
        "imported": merged["imported"],
        "corrected": merged["corrected"],
        "unchanged": in_file["rows"] - merged["imported"] - merged["corrected"],
        "users": in_file["users"],
        "experiences": in_file["experiences"],
    }
