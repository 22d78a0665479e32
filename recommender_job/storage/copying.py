"""Frames into tables by COPY, as fast as the database takes them."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.csv as csv

from recommender_job.storage.database import Transaction


def copy_frame(transaction: Transaction, table: str, columns: Sequence[str], frame: pd.DataFrame) -> None:
    """Loads columns of a frame into a table; None is null, an empty text is a text.

    The whole of it is in memory once more for a moment: hand in parts of bounded size.
    """
    if frame.empty:
        return
    buffer = io.BytesIO()
    rows = pa.Table.from_pandas(frame[list(columns)], preserve_index=False)
    # Texts come out quoted, nulls do not: that is how COPY tells an empty text from a null.
    csv.write_csv(rows, buffer, csv.WriteOptions(include_header=False, quoting_style="needed"))
    buffer.seek(0)
    transaction.copy_in(table, columns, buffer)
