"""Looks at the lists as the website does, through its three views, and says what is wrong with them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from recommender_job.config import Config
from recommender_job.errors import NotPublished, StaleRecommendations
from recommender_job.storage.database import Database, Transaction

_STATUS = "select * from recommender.recommendation_status"
_DEFAULT = "select * from recommender.default_recommendations order by rank"
_LISTS = "select * from recommender.recommendations where user_id = any(:users) order by user_id, rank"
# Each is one probe of an index: nothing here takes longer when there are more users.
_FIRST = "select user_id from recommender.recommendations order by user_id limit 1"
_LAST = "select user_id from recommender.recommendations order by user_id desc limit 1"
_NEXT = "select user_id from recommender.recommendations where user_id >= :probe order by user_id limit 1"


def check_now(config: Config) -> dict[str, Any]:
    """`check` on the configured database."""
    return check(Database.of(config))


def check(database: Database, *, users: int = 20) -> dict[str, Any]:
    """Reads the status, the default list and the lists of some users, all at the same moment.

    Args:
        database: Where the views are.
        users: At most so many users are read: the first, the last, and some in between, always the same.

    Returns:
        `publication_id`, `run_id`, `data_through`, `expires_at`, `users_read` and `default_rows`.

    Raises:
        NotPublished: Nothing has been published yet.
        StaleRecommendations: The lists are too old, or not what docs/table-contract.md promises.
    """
    with database.transaction(snapshot=True) as transaction:
        sample = _sample(transaction, users)
        default = transaction.rows(_DEFAULT)
        lists = transaction.rows(_LISTS, users=sample)
        status = transaction.row(_STATUS)
    if status is None:
        raise NotPublished("Nothing has been published yet.", action="Run the night: `recommender-job run`.")
    about = f"publication {status['publication_id']} of run {status['run_id']}"
    wrong = _wrong(status, "the default list", default)
    if status["users"] and not sample:
        wrong = wrong or f"no user has a list, of {status['users']}"
    for user, rows in itertools.groupby(lists, key=lambda row: row["user_id"]):
        wrong = wrong or _wrong(status, f"the list of user {user}", list(rows))
    if wrong:
        raise StaleRecommendations(
            f"The website's lists are not what it may rely on: {about} was first shown at"
            f" {_utc(status, 'published_at')}, and {wrong}.",
            action="Go back with `recommender-job publications rollback`, and report it.",
        )
    if status["is_stale"]:
        raise StaleRecommendations(
            f"The website's lists are stale since {_utc(status, 'expires_at')}: {about} knows ratings through"
            f" {_utc(status, 'data_through')} only.",
            action="Find out why the last nights failed, and clear what failed.",
        )
    return {
        **{key: status[key] for key in ("publication_id", "run_id")},
        **{key: status[key].isoformat() for key in ("data_through", "expires_at")},
        "users_read": len(sample),
        "default_rows": len(default),
    }


def _sample(transaction: Transaction, users: int) -> list[int]:
    """The first and the last user, and those that follow evenly spread ids in between."""
    first, last = transaction.row(_FIRST), transaction.row(_LAST)
    if first is None or last is None:
        return []
    low, high = first["user_id"], last["user_id"]
    probes = {low + (high - low) * step // max(users - 1, 1) for step in range(users)}
    found = [transaction.row(_NEXT, probe=probe) for probe in sorted(probes)]
    return sorted({row["user_id"] for row in found if row is not None})


def _wrong(status: dict[str, Any], which: str, rows: Sequence[dict[str, Any]]) -> str:
    """What is wrong with one list; empty when nothing is."""
    if not rows:
        return f"{which} is empty"
    ranks = [row["rank"] for row in rows]
    if ranks != list(range(1, len(rows) + 1)):
        return f"{which} has the ranks {', '.join(map(str, ranks))}"
    experiences = [row["experience_id"] for row in rows]
    twice = [one for one in experiences if experiences.count(one) > 1]
    if twice:
        return f"{which} holds experience {twice[0]} twice"
    others = {row["publication_id"] for row in rows} - {status["publication_id"]}
    if others:
        return f"{which} is of publication {', '.join(map(str, sorted(others)))}"
    missing = sorted({column for row in rows for column, value in row.items() if value is None})
    return f"{which} has no {', '.join(missing)}" if missing else ""


def _utc(status: dict[str, Any], column: str) -> str:
    return f"{status[column]:%Y-%m-%d %H:%M} UTC"
