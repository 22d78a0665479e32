"""What changed for a few users since the publication that was live before."""

from __future__ import annotations

from typing import Any

from recommender_job.errors import NotPublished
from recommender_job.publishing.diff import diff
from recommender_job.publishing.publications import publications
from recommender_job.storage.database import Database

_LISTS = """
    select publication_id, user_id, rank, experience_id, experience_name, predicted_rating
    from recommender.recommendation
    where publication_id in (:old, :new) and user_id = any(:users) order by user_id, publication_id, rank
"""


def changes_since_before(
    database: Database, publication_id: int, users: int, *, before: int | None = None
) -> dict[str, Any] | None:
    """Compares a run's publication with another night's that was live before it was built.

    Args:
        database: Where both are.
        publication_id: The run's.
        users: At most so many users are shown, those whose lists changed most first.
        before: What was live as it was built. Where that is not known, was of the same run, or is no longer kept, it is
            the one that went live last before.

    Returns:
        `old` and `new`: the ids; `users`, `identical_lists`, `mean_overlap`, `first_changed`, `experiences` as `diff`
        has them; `lists`: for each of the users, `user_id`, `overlap`, and `rows` of `rank`, `old`, `new` (each an
        experience with `name`, `predicted_rating` and whether the other list holds it `too`; None where that list is
        shorter). None where nothing was live before, or one of the two is no longer kept.
    """
    rows = publications(database)
    own = next((row for row in rows if row["publication_id"] == publication_id), None)
    if own is None:
        return None
    shown = {
        row["publication_id"]: row["published_at"]
        for row in rows
        if row["published_at"] is not None
        and row["publication_id"] < publication_id
        and row["run_id"] != own["run_id"]  # of an earlier attempt: the same night's
    }
    if not shown:
        return None
    old: int = before if before is not None and before in shown else max(shown, key=lambda one: (shown[one], one))
    try:
        found = diff(database, old, publication_id, experiences=8, users=users)
    except NotPublished:
        return None  # on record, but its lists are gone
    named = {row["user_id"]: row["overlap"] for row in found["most_changed"]}
    with database.transaction() as transaction:
        every = transaction.rows(_LISTS, old=old, new=publication_id, users=list(named))
    lists = [
        {"user_id": user, "overlap": overlap, "rows": _side_by_side(every, user, old, publication_id)}
        for user, overlap in named.items()
    ]
    kept = ("users", "identical_lists", "mean_overlap", "first_changed", "experiences")
    return {"old": old, "new": publication_id, "lists": lists, **{name: found[name] for name in kept}}


def _side_by_side(every: list[dict[str, Any]], user: int, old: int, new: int) -> list[dict[str, Any]]:
    sides = {
        number: [row for row in every if (row["user_id"], row["publication_id"]) == (user, number)]
        for number in (old, new)
    }
    held = {number: {row["experience_id"] for row in own} for number, own in sides.items()}

    def place(number: int, other: int, at: int) -> dict[str, Any] | None:
        if at >= len(sides[number]):
            return None
        row = sides[number][at]
        return {
            "name": row["experience_name"],
            "predicted_rating": row["predicted_rating"],
            "too": row["experience_id"] in held[other],
        }

    longest = max(len(own) for own in sides.values())
    return [{"rank": at + 1, "old": place(old, new, at), "new": place(new, old, at)} for at in range(longest)]
