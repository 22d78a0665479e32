"""Small worlds for the ratings tests, written in minutes since the start of 2023 (UTC)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st

from recommender_job.storage.database import Database
from recommender_job.tables import SOURCE_RATINGS

START = datetime(2023, 1, 1, tzinfo=UTC)


def minute(minutes: float) -> datetime:
    """The moment so many minutes after the start."""
    return START + timedelta(minutes=minutes)


def source_ratings(*rows: tuple[int, int, float | None, float, float]) -> pd.DataFrame:
    """A frame of `tables.SOURCE_RATINGS` from (user, experience, rating, minute rated, minute updated)."""
    dictionaries = [
        {
            "user_id": user,
            "experience_id": experience,
            "rating": rating,
            "rated_at": minute(rated),
            "updated_at": minute(updated),
        }
        for user, experience, rating, rated, updated in rows
    ]
    return pa.Table.from_pylist(dictionaries, SOURCE_RATINGS).to_pandas()


def as_rows(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    """A frame's rows, moments as minutes since the start."""
    plain = frame.copy()
    for column in plain.columns.intersection(["rated_at", "updated_at"]):
        plain[column] = (plain[column] - pd.Timestamp(START)).dt.total_seconds() / 60
    return list(plain.itertuples(index=False, name=None))


def source_rows(most: int = 12) -> st.SearchStrategy[list[tuple[int, int, float, int, int]]]:
    """Rows for `source_ratings` that often share their key, pair or moment."""
    few = st.integers(1, 3)
    return st.lists(
        st.tuples(few, few, st.integers(1, 5).map(float), st.integers(0, 3), st.integers(0, 3)), max_size=most
    )


def dump(database: Database, *tables: str) -> dict[str, list[dict[str, Any]]]:
    """All rows of tables, in an order that depends on their content alone."""
    with database.transaction() as transaction:
        # The names are the test's own.
        return {
            table: sorted(transaction.rows(f"select * from {table}"), key=lambda row: repr(row)) for table in tables
        }
