"""Which publications there are, which one is active, and moving that pointer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from recommender_job.errors import NotPublished, PublicationBusy
from recommender_job.publishing.old_plans import wait_for_old_plans
from recommender_job.storage import partitions
from recommender_job.storage.database import Database, Transaction

LISTED = """
    select p.publication_id, p.run_id, p.model_version, p.data_through, p.created_at, p.published_at,
        p.users, p.rows, p.top_n, p.rmse, p.distinct_lists, p.overlap,
        p.override_by, p.override_at, p.override_reason, a.publication_id is not null as is_active
    from recommender.publication as p
    left join recommender.active_publication as a using (publication_id)
    order by p.publication_id desc
"""

# The website's own statement (docs/table-contract.md): the rows come from one publication, whatever happens meanwhile.
_LIST_OF = """
    with own as materialized (
        select rank, experience_id, experience_name, predicted_rating, source, reason, publication_id
        from recommender.recommendations where user_id = :user_id
    )
    select * from own
    union all
    select rank, experience_id, experience_name, predicted_rating, source, reason, publication_id
    from recommender.default_recommendations where not exists (select 1 from own)
    order by rank limit :n
"""

# An earlier publication of the same run, such as a killed attempt's, holds the same lists: going back leads past it.
_FIRST_SHOWN = """
    update recommender.publication as p
    set published_at = now(),
        live_before = (
            select case when l.run_id = p.run_id then l.live_before else l.publication_id end
            from recommender.active_publication as a
            inner join recommender.publication as l using (publication_id)
        )
    where p.publication_id = :id
"""


def status(database: Database) -> dict[str, Any]:
    """The row of the view `recommendation_status`.

    Raises:
        NotPublished: Nothing has been published yet.
    """
    with database.transaction() as transaction:
        row = transaction.row("select * from recommender.recommendation_status")
    if row is None:
        raise NotPublished("Nothing has been published yet.", action="Run the night: `recommender-job run`.")
    return row


def publications(database: Database) -> list[dict[str, Any]]:
    """All publications that are kept, the newest first, with `is_active`."""
    with database.transaction() as transaction:
        return transaction.rows(LISTED)


def kept(transaction: Transaction) -> list[dict[str, Any]]:
    """Those of `publications` whose lists can be read, the newest first."""
    attached = partitions.attached(transaction)
    return [row for row in transaction.rows(LISTED) if row["publication_id"] in attached]


def chosen(rows: Sequence[dict[str, Any]], publication_id: int) -> dict[str, Any]:
    """One of the kept publications.

    Raises:
        NotPublished: It is none of them; names those that are.
    """
    for row in rows:
        if row["publication_id"] == publication_id:
            return row
    raise _not_kept(str(publication_id), rows)


def _not_kept(which: str, rows: Sequence[dict[str, Any]]) -> NotPublished:
    ids = ", ".join(str(row["publication_id"]) for row in rows) or "none"
    return NotPublished(
        f"There is no publication {which}; kept are: {ids}.",
        action="Choose one of those; `recommender-job publications list` shows them.",
    )


def live_recipe(database: Database) -> str | None:
    """The recipe of the active publication, as JSON; None where nothing is active or it has none on record."""
    with database.transaction() as transaction:
        row = transaction.row(
            "select p.recipe from recommender.active_publication as a"
            " join recommender.publication as p using (publication_id)"
        )
    return row["recipe"] if row else None


def lists_of(database: Database, user_id: int, n: int | None = None) -> dict[str, Any]:
    """What the website shows a user, read as the website reads it.

    Args:
        database: Where the views are.
        user_id: The user; one without a list of their own gets the default list.
        n: At most so many rows; None: the whole list.

    Returns:
        `user_id`, `source`, `publication_id` and `recommendations`, best first.

    Raises:
        NotPublished: Nothing has been published yet.
    """
    with database.transaction() as transaction:
        rows = transaction.rows(_LIST_OF, user_id=user_id, n=n)
    if not rows:
        status(database)  # says so when nothing is published
        return {"user_id": user_id, "source": None, "publication_id": None, "recommendations": []}
    publication_id, source = rows[0]["publication_id"], rows[0]["source"]
    shown = [{k: v for k, v in row.items() if k not in ("publication_id", "source")} for row in rows]
    return {"user_id": user_id, "source": source, "publication_id": publication_id, "recommendations": shown}


def lock(transaction: Transaction) -> None:
    """Lets one publisher in at a time, until the transaction ends.

    Raises:
        PublicationBusy: Another one is in.
    """
    got = transaction.rows("select pg_try_advisory_xact_lock(hashtext('recommender publication')) as got")[0]["got"]
    if not got:
        raise PublicationBusy("Another run is publishing right now.", action="Retry when it has ended.")


def switch(transaction: Transaction, publication_id: int) -> int | None:
    """Makes a publication active: one row, which readers see change between two statements.

    When it is shown for the first time, its row keeps what was live before its run: there leads the way back.

    Args:
        transaction: Has the publishers' lock. The publication's partition was attached in an earlier one.
        publication_id: The publication.

    Returns:
        The one that was active until now, None where nothing was.
    """
    row = transaction.row(
        "select published_at from recommender.publication where publication_id = :id", id=publication_id
    )
    active = transaction.row("select publication_id from recommender.active_publication")
    if row and row["published_at"] is None:  # what was shown before has been there long enough
        wait_for_old_plans(transaction)
        transaction.run(_FIRST_SHOWN, id=publication_id)
    transaction.run(
        "insert into recommender.active_publication (publication_id, switched_at) values (:id, now())"
        " on conflict (only_row) do update"
        " set publication_id = excluded.publication_id, switched_at = excluded.switched_at",
        id=publication_id,
    )
    return active["publication_id"] if active else None


def rollback(
    database: Database, publication_id: int | None = None, *, expected: int | Literal["any"] | None = "any"
) -> dict[str, Any]:
    """Makes an older publication active again.

    Args:
        database: Where the publications are.
        publication_id: Which one; None: what was live before the active one's run, or, where that is no longer kept,
            the newest before the active one that was ever shown.
        expected: The one that the caller saw active (None: nothing was), and means to replace; `any`: whichever is.

    Returns:
        `publication_id` now active, and `previous`.

    Raises:
        NotPublished: There is no such publication.
        PublicationBusy: Another run is publishing, or another one than `expected` is active by now.
    """
    with database.transaction() as transaction:
        lock(transaction)
        rows = kept(transaction)
        active = next((row["publication_id"] for row in rows if row["is_active"]), None)
        if expected not in ("any", active):
            raise PublicationBusy(
                f"By now {f'publication {active}' if active else 'nothing'} is active, not"
                f" {f'publication {expected}' if expected else 'nothing'} as before.",
                action="Nothing was changed. Look at what is active now, and repeat it if it is still wanted.",
            )
        if publication_id is None:
            before = live_before_run(transaction)
            older = [row for row in rows if row["published_at"] and active and row["publication_id"] < active]
            target = next((row for row in rows if row["publication_id"] == before), older[0] if older else None)
            if target is None:
                raise _not_kept("before the active one to go back to", rows)
            publication_id = target["publication_id"]
        chosen(rows, publication_id)
        switch(transaction, publication_id)
    return {"publication_id": publication_id, "previous": active}


def live_before_run(transaction: Transaction) -> int | None:
    """What was live before the active publication's run; None where nothing was, or it is not on record."""
    row = transaction.row(
        "select p.live_before from recommender.active_publication as a"
        " inner join recommender.publication as p using (publication_id)"
    )
    return row["live_before"] if row else None
