"""What is remembered of an erased user: the id, so that nothing brings the user back, and counts."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from recommender_job.storage.database import Database


def begin(database: Database, user_id: int) -> dict[str, Any]:
    """Remembers that a user is erased, before anything is: what runs meanwhile leaves the user out.

    Returns:
        `erased_at`: when that was first said; `begun_at`: now; both in the database's time; `attempt`: its number.
    """
    with database.transaction() as transaction:
        return transaction.rows(
            "insert into recommender.erasure as e (user_id, receipt) values (:user_id, cast(:receipt as jsonb))"
            " on conflict (user_id) do update set receipt = e.receipt"
            " || jsonb_build_object('begun', coalesce(cast(e.receipt ->> 'begun' as integer), 0) + 1)"
            " returning erased_at, now() as begun_at, cast(receipt ->> 'begun' as integer) as attempt",
            user_id=user_id,
            receipt=json.dumps({"begun": 1}),
        )[0]


def end(database: Database, user_id: int, attempt: dict[str, Any]) -> None:
    """Adds to a user's receipt what an attempt has erased; one that was cut short adds nothing.

    Args:
        database: Where the receipt is.
        user_id: Who was erased.
        attempt: JSON-able, with `attempt`, its number, and `complete`.
    """
    with database.transaction() as transaction:
        transaction.run(
            "update recommender.erasure set receipt = receipt || jsonb_build_object("
            "'ended', coalesce(receipt -> 'ended', '[]') || cast(:attempt as jsonb)) where user_id = :user_id",
            user_id=user_id,
            attempt=json.dumps([attempt]),
        )


def erasures(database: Database) -> list[dict[str, Any]]:
    """The erased users, the latest first.

    Returns:
        For each, `user_id`, `erased_at`; `attempts`: how many were begun; `receipts` of those that ended, the last one
        last; `state`: `complete`, `cut short` (or running), or `incomplete` where files had to be left out.
    """
    with database.transaction() as transaction:
        rows = transaction.rows("select user_id, erased_at, receipt from recommender.erasure order by 2 desc, 1")
    return [_described(**row) for row in rows]


def _described(user_id: int, erased_at: datetime, receipt: dict[str, Any]) -> dict[str, Any]:
    begun, ended = receipt.get("begun", 0), receipt.get("ended", [])
    if not ended or ended[-1]["attempt"] < begun:
        state = "cut short"
    else:
        state = "complete" if ended[-1]["complete"] else "incomplete"
    return {"user_id": user_id, "erased_at": erased_at, "attempts": begun, "receipts": ended, "state": state}


def lift(database: Database, user_id: int) -> dict[str, Any]:
    """Lets a user be read from the source again, for one who has signed up again.

    The watermarks go as well: an incremental read would miss what the user rated before. A night that is being
    extracted right now may still leave one; the next full read mends that (`full_read`, `full_read_days`).

    Returns:
        `user_id`, and `lifted`: False where the user was not erased, and then nothing was changed.
    """
    with database.transaction() as transaction:
        lifted = transaction.run("delete from recommender.erasure where user_id = :user_id", user_id=user_id) == 1
        if lifted:
            transaction.run("delete from recommender.extraction")
    return {"user_id": user_id, "lifted": lifted}
