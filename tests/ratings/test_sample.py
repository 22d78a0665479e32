"""The made-up world: repeatable, in the shape it promises, and readable by the importer without a question."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from recommender_job.ratings.columns import Columns
from recommender_job.ratings.names import canonical
from recommender_job.ratings.reader import read_batches
from recommender_job.ratings.sample import RATING_SHARES, sample_ratings

USER, MOMENT, NAME, RATING = "ID_CLIENTE", "FECHA_INTERACCION", "NOMBRE_CORTO_DE_EXPERIENCIA", "CALIFICACION"


@pytest.fixture(scope="module")
def world() -> pd.DataFrame:
    return sample_ratings(600, 120, 7)


def test_the_same_arguments_give_the_same_world_and_another_seed_another(world: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(sample_ratings(600, 120, 7), world)
    assert not sample_ratings(600, 120, 8).equals(world)


def test_users_and_experiences_are_as_many_as_asked_for(world: pd.DataFrame) -> None:
    assert set(world[USER]) == set(range(1, 601))
    # Few experiences are so unpopular that nobody rated them.
    assert 110 <= world[NAME].map(canonical).nunique() <= 120
    assert 4 <= len(world) / 600 <= 6


def test_some_names_are_misspelt(world: pd.DataFrame) -> None:
    spellings = world[NAME].groupby(world[NAME].map(canonical)).nunique()
    assert spellings.max() == 2
    assert 0.03 <= (spellings == 2).mean() <= 0.09


def test_shares_of_ratings_single_raters_and_repeats(world: pd.DataFrame) -> None:
    shares = world[RATING].value_counts(normalize=True)
    assert {rating: shares[rating] for rating in RATING_SHARES} == pytest.approx(RATING_SHARES, abs=0.03)
    assert (world[USER].value_counts() == 1).mean() == pytest.approx(0.24, abs=0.01)
    pairs = world.assign(name=world[NAME].map(canonical)).duplicated([USER, "name"])
    assert pairs.mean() == pytest.approx(0.55, abs=0.02)


def test_rows_ascend_by_time_written_month_first(world: pd.DataFrame) -> None:
    moments = pd.to_datetime(world[MOMENT], format="%m/%d/%Y %H:%M")
    assert moments.is_monotonic_increasing
    assert moments.dt.day.max() == 31


def test_the_reader_takes_every_line(world: pd.DataFrame, tmp_path: Path) -> None:
    world.to_csv(tmp_path / "sample.csv", index=False)
    [batch] = read_batches(tmp_path / "sample.csv", Columns())
    assert batch.rejected.empty
    assert len(batch.rows) == len(world)
    assert batch.rows["user"].astype("int64").tolist() == world[USER].tolist()
    assert batch.rows["rating"].tolist() == world[RATING].tolist()


@pytest.mark.parametrize(("users", "experiences"), [(1, 1), (2, 1), (1, 5), (3, 2), (5, 2000)])
def test_tiny_and_lopsided_worlds(users: int, experiences: int) -> None:
    world = sample_ratings(users, experiences, 1)
    assert set(world[USER]) == set(range(1, users + 1))
    assert world[NAME].map(canonical).nunique() <= experiences
    assert world[RATING].between(1, 5).all()
