"""The figures of a night's ratings as a whole, and those of the nights before it that were accepted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.config import Config
from recommender_job.errors import ArtifactBroken
from recommender_job.runs import Run, folder_of
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database
from recommender_job.tables import EXPERIENCE, RATING, USER

#: A scale of so many values or fewer is counted value by value.
MOST_VALUES = 20
BINS = 10


@dataclass(frozen=True)
class Night:
    """A night's ratings as a whole.

    Args:
        run_id, cutoff: Of the run.
        figures: What `figures` returns.
    """

    run_id: str
    cutoff: datetime
    figures: dict[str, Any]


def figures(
    ratings: pd.DataFrame,
    *,
    snapshot_rows: int,
    source_rows: int | None,
    rejected: int,
    scale: tuple[float, float],
    before: pd.DataFrame | None,
) -> dict[str, Any]:
    """What a night is compared by.

    Args:
        ratings: A frame of `tables.RATINGS`.
        snapshot_rows: Rows of the snapshot.
        source_rows: Ratings that the source held; None: not known.
        rejected: Rows of the snapshot that were refused.
        scale: Lowest and highest rating.
        before: The last accepted night's `ratings`; None: there is none, or it is gone.

    Returns:
        `snapshot_rows`, `source_rows`, `pairs`, `users`, `experiences`; `refused_share` of the snapshot's rows;
        `new_users_share`, `new_experiences_share`: share of those with ratings that had none in `before`, None without
        it; `distribution` of the ratings.
    """
    return {
        "snapshot_rows": snapshot_rows,
        "source_rows": source_rows,
        "pairs": len(ratings),
        "users": int(ratings[USER].nunique()),
        "experiences": int(ratings[EXPERIENCE].nunique()),
        "refused_share": rejected / snapshot_rows if snapshot_rows else 0.0,
        "new_users_share": _new_share(ratings, before, USER),
        "new_experiences_share": _new_share(ratings, before, EXPERIENCE),
        "distribution": distribution(ratings[RATING], scale),
    }


def distribution(ratings: pd.Series, scale: tuple[float, float]) -> dict[str, Any]:
    """Shares of the ratings: of each value as `values` where there are few, else of equal `bins` of the `scale`."""
    if ratings.nunique() <= MOST_VALUES:
        shares = ratings.value_counts(normalize=True).sort_index()
        return {"values": {f"{value:g}": float(share) for value, share in shares.items()}}
    counts = np.bincount(bins_of(ratings.to_numpy(), scale), minlength=BINS)
    return {"scale": list(scale), "bins": [float(share) for share in counts / counts.sum()]}


def bins_of(values: NDArray[Any], scale: tuple[float, float]) -> NDArray[np.int64]:
    """The bin of each value, from 0; what lies outside the scale counts to the bin at its end."""
    low, high = scale
    # In the precision of ratings, so that a rating lies in the same bin wherever it was read from.
    bins: NDArray[np.int64] = np.clip((values.astype(np.float32) - low) / (high - low) * BINS, 0, BINS - 1).astype(
        np.int64
    )
    return bins


def _new_share(ratings: pd.DataFrame, before: pd.DataFrame | None, column: str) -> float | None:
    if before is None or ratings.empty:
        return None
    return float(1 - ratings[column].drop_duplicates().isin(before[column]).mean())


def ratings_of(config: Config, night: Night, name: str) -> pd.DataFrame | None:
    """The clean ratings of an earlier night; None when its folder is gone or damaged."""
    folder = RunFolder(config.runs, folder_of(night.run_id))
    try:
        with folder.reading(name):
            frame: pd.DataFrame = folder.read_table(name).select([USER, EXPERIENCE]).to_pandas()
            return frame
    except ArtifactBroken:
        return None


def accepted_nights(database: Database, run: Run, most: int) -> list[Night]:
    """The nights that were accepted before, the latest first.

    Args:
        database: Where they are kept.
        run: Nights of a later cutoff, and the run itself, are left out.
        most: At most so many.
    """
    with database.transaction() as transaction:
        # By cutoff: a look at the past, however recent, is not what the next night continues.
        rows = transaction.rows(
            "select run_id, cutoff, figures from recommender.profile"
            " where cutoff <= :cutoff and run_id <> :run_id order by cutoff desc, accepted_at desc limit :most",
            cutoff=run.cutoff,
            run_id=run.run_id,
            most=most,
        )
    return [Night(**row) for row in rows]


def accept(database: Database, night: Night) -> None:
    """Keeps a night's figures, for later nights to be held to."""
    with database.transaction() as transaction:
        transaction.run(
            "insert into recommender.profile (run_id, cutoff, figures)"
            " values (:run_id, :cutoff, cast(:figures as jsonb)) on conflict (run_id) do update"
            " set cutoff = excluded.cutoff, figures = excluded.figures, accepted_at = excluded.accepted_at",
            run_id=night.run_id,
            cutoff=night.cutoff,
            figures=json.dumps(night.figures),
        )
