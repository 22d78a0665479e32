"""Moves rating events that were read from a file into the sample source schema `website`.

The events of one (user, experience, moment) are counted: the first of the file is `occurrence` 1, and so on. So only
what the table lacks is added, and a changed rating of a known event is a correction.

Files give minutes; within one, the file's order is the order of events. Each line counts as updated a microsecond
before the next, so that "updated last" means "further down" wherever two ratings are equally old. Hence a `Merge`, the
moment and the last line of such a move, tells the line of each event that it wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from recommender_job.storage.copying import copy_frame
from recommender_job.storage.database import Transaction

STAGED = ["line", "user_id", "name_key", "spelling", "rating", "rated_at"]

#: With `occurrence` added it stays below the lines of any file, in the order of occurrences.
_BEFORE_THE_FILE = -32768


@dataclass(frozen=True)
class Merge:
    """When lines of a file became events.

    Args:
        moment: What `updated_at` of the last line is counted from.
        last_line: The last line that was moved.
    """

    moment: datetime
    last_line: int


def stage_nothing(transaction: Transaction) -> None:
    """Makes the empty table `staged`, which is gone at the end of the transaction."""
    transaction.run(
        "create temporary table staged (line bigint, user_id bigint, name_key text, spelling text, rating real,"
        " rated_at timestamptz, is_fresh boolean not null default true) on commit drop"
    )


def stage(transaction: Transaction, rows: pd.DataFrame) -> None:
    """Adds rows with the columns `STAGED` to the table `staged`."""
    copy_frame(transaction, "staged", STAGED, rows)


def merge(transaction: Transaction) -> tuple[dict[str, int], Merge | None]:
    """Moves the staged rows into the schema `website`.

    Returns:
        `imported`, `corrected`, `unchanged` events, `users` and `experiences` of the fresh rows; and what tells their
        lines, None when nothing was staged.
    """
    transaction.run("analyze staged")
    transaction.run("insert into website.users (user_id) select distinct user_id from staged on conflict do nothing")
    transaction.run(
        "insert into website.experiences (name, name_key) select min(spelling), name_key from staged"
        " group by name_key order by min(line) on conflict do nothing"
    )
    place = transaction.rows("select statement_timestamp() as moment, max(line) as last_line from staged")[0]
    counts = transaction.rows(
        """
        with events as (
            select s.*, e.experience_id,
                row_number() over (partition by s.user_id, e.experience_id, s.rated_at order by s.line) as occurrence
            from staged as s inner join website.experiences as e on s.name_key = e.name_key
        ),
        merged as (
            insert into website.ratings as r (user_id, experience_id, rated_at, occurrence, rating, updated_at)
            select user_id, experience_id, rated_at, occurrence, rating,
                :moment - (:last_line - line) * interval '1 microsecond'
            from events
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
        """,
        **place,
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
    fresh = transaction.rows(
        "select count(*) as rows, count(distinct user_id) as users, count(distinct name_key) as experiences"
        " from staged where is_fresh"
    )[0]
    rows = fresh.pop("rows")
    unchanged = {"unchanged": max(rows - counts["imported"] - counts["corrected"], 0)}
    return {**counts, **unchanged, **fresh}, Merge(**place) if rows else None


def merge_late(transaction: Transaction, before: Sequence[Merge]) -> tuple[int, Merge | None]:
    """Moves staged lines that were refused when the other lines of their file were moved, as if they had not been.

    What was moved then takes part once more where it shares user and minute with a late line, so that both are counted
    and ordered by their lines. A late line whose rating came in by another way is not counted again.

    Args:
        transaction: With lines of one file staged.
        before: When other lines of the file were moved.

    Returns:
        How many of the lines are new events, and what tells their lines.
    """
    moments, last_lines = [one.moment for one in before], [one.last_line for one in before]
    transaction.run(
        """
        create temporary table known on commit drop as
        select r.user_id, e.name_key, e.name, r.rated_at, r.rating, w.line, r.occurrence
        from website.ratings as r
        inner join website.experiences as e on r.experience_id = e.experience_id
        left join lateral (
            select m.last_line - round(extract(epoch from m.moment - r.updated_at) * 1000000)::bigint as line
            from unnest(cast(:moments as timestamptz[]), cast(:last_lines as bigint[])) as m (moment, last_line)
            where r.updated_at <= m.moment and r.updated_at > m.moment - m.last_line * interval '1 microsecond'
            order by m.moment limit 1
        ) as w on true
        where exists (select from staged as s where s.user_id = r.user_id and s.rated_at = r.rated_at)
        """,
        moments=moments,
        last_lines=last_lines,
    )
    transaction.run(
        """
        with late as (
            select *, row_number() over (partition by user_id, name_key, rated_at, rating order by line) as place
            from staged
        ),
        elsewhere as (
            select *, row_number() over (partition by user_id, name_key, rated_at, rating) as place
            from known where line is null
        )
        delete from staged as s
        using late inner join elsewhere using (user_id, name_key, rated_at, rating, place)
        where s.line = late.line
        """
    )
    transaction.run(
        "insert into staged (line, user_id, name_key, spelling, rating, rated_at, is_fresh)"
        " select coalesce(k.line, :before + k.occurrence), k.user_id, k.name_key, k.name, k.rating, k.rated_at, false"
        " from known as k"
        " where exists (select from staged as s where s.user_id = k.user_id and s.rated_at = k.rated_at)",
        before=_BEFORE_THE_FILE,
    )
    counts, merged = merge(transaction)
    if merged is not None:
        _reorder(transaction, merged)
    return counts["imported"], merged


def _reorder(transaction: Transaction, merged: Merge) -> None:
    """Late lines, and known events that stand below one of the same user and minute, are updated in their order."""
    transaction.run(
        """
        update website.ratings as r
        set updated_at = :moment - (:last_line - e.line) * interval '1 microsecond'
        from (
            select s.*, x.experience_id,
                row_number() over (partition by s.user_id, s.name_key, s.rated_at order by s.line) as occurrence,
                min(s.line) filter (where s.is_fresh) over (partition by s.user_id, s.rated_at) as first_late
            from staged as s inner join website.experiences as x on s.name_key = x.name_key
        ) as e
        where e.line >= e.first_late
            and r.user_id = e.user_id and r.experience_id = e.experience_id
            and r.rated_at = e.rated_at and r.occurrence = e.occurrence
        """,
        moment=merged.moment,
        last_line=merged.last_line,
    )
