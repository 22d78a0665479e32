"""The ratings that benchmarks run on: RATINGS_CSV, or the made-up world."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pandas as pd

from recommender_job.ratings.columns import Columns
from recommender_job.ratings.reader import read_batches
from recommender_job.ratings.sample import sample_ratings
from recommender_job.tables import EXPERIENCE, RATED_AT, RATING, USER


def clean_pairs() -> tuple[str, pd.DataFrame]:
    """Where the ratings come from, and each (user, experience) pair once, its latest rating, in the order of events."""
    given = os.environ.get("RATINGS_CSV")
    if given:
        return given, _read(Path(given))
    with tempfile.TemporaryDirectory() as folder:
        made_up = Path(folder) / "sample.csv"
        sample_ratings(2400, 240, 1).to_csv(made_up, index=False)
        return "a made-up world", _read(made_up)


def _read(file: Path) -> pd.DataFrame:
    rows = pd.concat([batch.rows for batch in read_batches(file, Columns(), dates_needed=True)], ignore_index=True)
    rows = rows.sort_values(["rated_at", "line"])
    rows = rows.drop_duplicates(["user", "experience_key"], keep="last", ignore_index=True)
    codes = {USER: _codes(rows["user"]), EXPERIENCE: _codes(rows["experience_key"])}
    pairs = rows.assign(**codes, **{RATING: rows["rating"].astype("float32")})
    return pairs[[USER, EXPERIENCE, RATING, RATED_AT]].astype({RATED_AT: "datetime64[us, UTC]"})


def _codes(texts: pd.Series) -> pd.Series:
    return pd.Series(pd.factorize(texts, sort=True)[0], index=texts.index).astype("int64")
