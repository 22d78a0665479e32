"""The refused rows of a night: into the quarantine, out again, and too many of them."""

from __future__ import annotations

import json
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


def keep_rejected(transaction: Transaction, run_id: str, rejected: pd.DataFrame) -> None:
    """Replaces what an earlier attempt of the run refused.

    Args:
        transaction: Where.
        run_id: The origin of the rows.
        rejected: The columns of `tables.SOURCE_RATINGS`, `column_name` and `reason`.
    """
    transaction.run("delete from recommender.quarantine where origin = :origin", origin=run_id)
    for start in range(0, len(rejected), PART_ROWS):
        part = rejected.iloc[start : start + PART_ROWS]
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


def refuse_too_many(rejected: pd.DataFrame, rows: int, bounds: QuarantineConfig) -> None:
    """Ends a night of which too much was refused.

    Args:
        rejected: As for `keep_rejected`.
        rows: Rows of the snapshot.
        bounds: How many are too many.

    Raises:
        TooManyRefused: Gives the share and the commonest reasons, each with a row.
    """
    if len(rejected) < bounds.min_rows or len(rejected) <= bounds.max_share * rows:
        return
    whys = rejected["column_name"] + " " + rejected["reason"]
    firsts = whys.drop_duplicates()
    example = dict(zip(firsts, described(rejected.loc[firsts.index]), strict=True))
    commonest = whys.value_counts().head(TOP_REASONS)
    told = [f"{why}: {count:,}, such as {example[why]}" for why, count in commonest.items()]
    raise TooManyRefused(
        f"{len(rejected):,} of {rows:,} ratings ({len(rejected) / rows:.1%}) were refused, more than"
        f" `quarantine.max_share` {bounds.max_share:.1%}: {'; '.join(told)}.",
        action="Look at `recommender-job quarantine list`, mend the source or the settings, and start again.",
    )
