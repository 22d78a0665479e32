"""Which publications there are, which one is active, and moving that pointer."""

from __future__ import annotations

from typing import Any

from recommender_job.errors import NotPublished, PublicationBusy
from recommender_job.storage import partitions
from recommender_job.storage.database import Database, Transaction

_LIST = """
    select p.publication_id, p.run_id, p.model_version, p.data_through, p.created_at, p.published_at,
        p.users, p.rows, p.top_n, p.rmse, a.publication_id is not null as is_active
    from recommender.publication as p
    left join recommender.active_publication as a using (publication_id)
    order by p.publication_id desc
"""

# Two statements at most, and the rows of each come from one publication.
_OWN = """
    select rank, experience_id, experience_name, predicted_rating, source, publication_id
    from recommender.recommendations where user_id = :user_id order by rank limit :n
"""
_DEFAULT = """
    select rank, experience_id, experience_name, predicted_rating, source, publication_id
    from recommender.default_recommendations order by rank limit :n
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
        return transaction.rows(_LIST)


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
        rows = transaction.rows(_OWN, user_id=user_id, n=n) or transaction.rows(_DEFAULT, n=n)
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


def switch(transaction: Transaction, publication_id: int) -> None:
    """Makes a publication active: one row, which readers see change between two statements."""
    transaction.run(
        "insert into recommender.active_publication (publication_id, switched_at) values (:id, now())"
        " on conflict (only_row) do update"
        " set publication_id = excluded.publication_id, switched_at = excluded.switched_at",
        id=publication_id,
    )
    transaction.run(
        "update recommender.publication set published_at = coalesce(published_at, now()) where publication_id = :id",
        id=publication_id,
    )


def rollback(database: Database, publication_id: int | None = None) -> dict[str, Any]:
    """Makes an older publication active again.

    Args:
        database: Where the publications are.
        publication_id: Which one; None: the newest before the active one that was active before.

    Returns:
        `publication_id` now active, and `previous`.

    Raises:
        NotPublished: There is no such publication.
    """
    with database.transaction() as transaction:
        lock(transaction)
        shown = partitions.attached(transaction)
        rows = [row for row in transaction.rows(_LIST) if row["publication_id"] in shown]
        active = next((row["publication_id"] for row in rows if row["is_active"]), None)
        if publication_id is None:
            older = [row for row in rows if row["published_at"] and active and row["publication_id"] < active]
            target = older[0] if older else None
        else:
            target = next((row for row in rows if row["publication_id"] == publication_id), None)
        if target is None:
            kept = ", ".join(str(row["publication_id"]) for row in rows) or "none"
            raise NotPublished(
                f"There is no publication {publication_id or 'before the active one'} to go back to; kept are: {kept}.",
                action="Choose one of those; `recommender-job publications list` shows them.",
            )
        switch(transaction, target["publication_id"])
    return {"publication_id": target["publication_id"], "previous": active}


def prune(database: Database, keep: int) -> list[int]:
    """Drops publications that nobody will go back to, and what an earlier pruning had to leave.

    They are forgotten first, under the publishers' lock, so that nobody can switch to one while its rows go.

    Args:
        database: Where they are.
        keep: How many stay of those that were active once, and of those that never were; one for each run. The active
            one always stays.

    Returns:
        Ids of those whose rows are gone; what a reader holds on to goes the next time.

    Raises:
        PublicationBusy: Another run is publishing; it will prune.
    """
    with database.transaction() as transaction:
        lock(transaction)
        kept: dict[bool, list[str]] = {True: [], False: []}
        staying, forgotten = set(), []
        for row in transaction.rows(_LIST):
            group = kept[row["published_at"] is not None]
            if row["is_active"] or (row["run_id"] not in group and len(group) < keep):
                group.append(row["run_id"])
                staying.add(row["publication_id"])
            else:
                forgotten.append(row["publication_id"])
        transaction.run("delete from recommender.publication where publication_id = any(:ids)", ids=forgotten)
        leftover = partitions.existing(transaction) - staying
    return partitions.drop(database, sorted(leftover))
