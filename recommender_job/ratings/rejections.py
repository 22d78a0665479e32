"""The refused rows of a night: counted, into the quarantine, out again, and too many of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from recommender_job.errors import TooManyRefused
from recommender_job.ratings.quarantine import PART_ROWS, keep_refused
from recommender_job.safeguards import QuarantineConfig
from recommender_job.storage.database import Transaction
from recommender_job.tables import EXPERIENCE, RATED_AT, RATING, USER

#: Reasons that an error lists.
TOP_REASONS = 5
_ROW = [USER, EXPERIENCE, RATING, RATED_AT]


class Refused:
    """Counts refused rows while they go by, and remembers the first of each column and reason."""

    def __init__(self) -> None:
        self.rows = 0
        self._whys: Counter[tuple[str, str]] = Counter()
        self._examples: dict[tuple[str, str], str] = {}

    def add(self, rejected: pd.DataFrame) -> None:
        """Counts these too: the columns of `tables.REFUSED_RATINGS`."""
        self.rows += len(rejected)
        self._whys.update(zip(rejected["column_name"], rejected["reason"], strict=True))
        firsts = rejected.drop_duplicates(["column_name", "reason"])
        for column, reason, row in zip(firsts["column_name"], firsts["reason"], described(firsts), strict=True):
            self._examples.setdefault((column, reason), row)

    @property
    def reasons(self) -> dict[str, int]:
        """Number of rows by reason, the commonest first."""
        return {reason: count for (_, reason), count in self._whys.most_common()}

    @property
    def told(self) -> list[str]:
        """A text for each of the commonest columns and reasons, with the first row that it befell."""
        return [
            f"{column} {reason}: {count:,}, such as {self._examples[column, reason]}"
            for (column, reason), count in self._whys.most_common(TOP_REASONS)
        ]


def keep_rejected(transaction: Transaction, run_id: str, rejected: Iterable[pd.DataFrame]) -> None:
    """Replaces what an earlier attempt of the run refused.

    Args:
        transaction: Where.
        run_id: The origin of the rows.
        rejected: The columns of `tables.REFUSED_RATINGS`, part by part.
    """
    transaction.run("delete from recommender.quarantine where origin = :origin", origin=run_id)
    for rows in rejected:
        for start in range(0, len(rows), PART_ROWS):
            part = rows.iloc[start : start + PART_ROWS]
            refused = part[["column_name", "reason"]].assign(
                line=pd.Series(pd.NA, index=part.index, dtype="Int64"),
                content=described(part),
                user_text=part[USER].astype(str),
            )
            keep_refused(transaction, run_id, refused)


def described(rows: pd.DataFrame) -> list[str]:
    """Each row of the source as a JSON object."""
    # JSON knows no infinite numbers; as null they would look like what is missing.
    infinite = np.isinf(rows[RATING])
    rating = rows[RATING].astype(object).mask(infinite, rows[RATING].astype(str)) if infinite.any() else rows[RATING]
    plain = rows[_ROW].copy()
    plain[RATING] = rating
    return plain.to_json(orient="records", lines=True, date_format="iso", date_unit="us").split("\n")[: len(plain)]


def as_rows(contents: pd.Series) -> pd.DataFrame:
    """The rows that `described` made texts of; what is no such text is left out.

    Returns:
        The columns user, experience, rating and rated_at of `tables.SOURCE_RATINGS`, with the index of the texts.
    """
    parsed = contents.map(_parsed).dropna()
    rows = pd.DataFrame(parsed.tolist(), index=parsed.index, columns=_ROW)
    moments = pd.to_datetime(rows[RATED_AT], format="ISO8601", errors="coerce", utc=True)
    rating = pd.to_numeric(rows[RATING], errors="coerce").astype("float32")
    rows[RATING], rows[RATED_AT] = rating, moments.astype("datetime64[us, UTC]")
    return rows[rows[RATED_AT].notna()].astype({USER: "int64", EXPERIENCE: "int64"})


def _parsed(content: str) -> dict[str, Any] | None:
    try:
        row = json.loads(content)
        return row if isinstance(row[USER], int) and isinstance(row[EXPERIENCE], int) else None
    except (ValueError, TypeError, KeyError):
        return None  # kept by another version of the job


def refuse_too_many(refused: Refused, rows: int, bounds: QuarantineConfig) -> None:
    """Ends a night of which too much was refused.

    Args:
        refused: All that was refused.
        rows: Rows of the snapshot.
        bounds: How many are too many.

    Raises:
        TooManyRefused: Gives the share and the commonest reasons, each with a row.
    """
    if refused.rows < bounds.min_rows or refused.rows <= bounds.max_share * rows:
        return
    raise TooManyRefused(
        f"{refused.rows:,} of {rows:,} ratings ({refused.rows / rows:.1%}) were refused, more than"
        f" `quarantine.max_share` {bounds.max_share:.1%}: {'; '.join(refused.told)}.",
        action="Look at `recommender-job quarantine list`, mend the source or the settings, and start again.",
    )
