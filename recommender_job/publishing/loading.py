"""Rows of a publication on their way into the database."""

from __future__ import annotations

import pandas as pd

from recommender_job.storage.copying import copy_frame
from recommender_job.storage.database import Transaction
from recommender_job.tables import EXPERIENCE, NAME

_COLUMNS = ["user_id", "rank", "experience_id", "predicted_rating", "experience_name", "source"]


def load_lists(transaction: Transaction, table: str, lists: pd.DataFrame, experiences: pd.DataFrame) -> None:
    """Copies lists into a publication's table.

    Args:
        transaction: Not committed here.
        table: Its name.
        lists: A frame of `tables.LISTS`.
        experiences: `experience_id`, `name`.
    """
    copy_frame(transaction, table, _COLUMNS, _named(lists, experiences, "model"))


def load_default(
    transaction: Transaction, publication_id: int, default: pd.DataFrame, experiences: pd.DataFrame
) -> None:
    """Inserts the default list of a publication.

    Args:
        transaction: Not committed here.
        publication_id: Whose it is.
        default: What `popular` returns.
        experiences: `experience_id`, `name`.
    """
    named = _named(default, experiences, "popular").assign(publication_id=publication_id)
    transaction.run_many(
        "insert into recommender.default_recommendation"
        " (publication_id, rank, experience_id, experience_name, predicted_rating, source, reason)"
        " values (:publication_id, :rank, :experience_id, :experience_name, :predicted_rating, :source, :reason)",
        [{str(key): value for key, value in row.items()} for row in named.to_dict("records")],
    )


def _named(lists: pd.DataFrame, experiences: pd.DataFrame, source: str) -> pd.DataFrame:
    """Adds `experience_name` and `source`."""
    names = experiences.set_index(EXPERIENCE)[NAME]
    return lists.assign(experience_name=lists[EXPERIENCE].map(names), source=source)
