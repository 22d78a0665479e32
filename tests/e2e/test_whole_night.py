"""A whole night with the settings that ship, on made-up ratings and (where they are at hand) on the real ones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recommender_job import nightly
from recommender_job.config import Config, load_config
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.importer import import_ratings
from recommender_job.ratings.sample import sample_ratings
from recommender_job.runs import Run
from recommender_job.storage.database import Database, plain_url


@pytest.fixture
def shipped(database: Database, tmp_path: Path) -> Config:
    """The settings that ship, on a fresh database."""
    return load_config({"home": tmp_path / "home", "database_url": plain_url(database.url)})


@pytest.fixture
def load(database: Database, tmp_path: Path) -> Callable[[pd.DataFrame], dict[str, int]]:
    """Imports the rows of a file in the format of the real one."""

    def load(rows: pd.DataFrame) -> dict[str, int]:
        file = tmp_path / "rows.csv"
        rows.to_csv(file, index=False)
        return import_ratings(database, file, Columns(), now=datetime.now(UTC), scale=(1, 5))

    return load


def night(config: Config) -> dict[str, Any]:
    return nightly.run_night(config, Run.at(datetime.now(UTC)))


def view(database: Database) -> pd.DataFrame:
    with database.transaction() as transaction:
        return pd.DataFrame(
            transaction.rows(
                "select user_id, rank, experience_id, predicted_rating from recommender.recommendations"
                " order by user_id, rank"
            )
        )


def broken_rules(database: Database) -> dict[str, Any]:
    """Counts what the table contract forbids, with nothing but SQL."""
    with database.transaction() as transaction:
        return transaction.rows(
            """
            select
                (
                    select count(*) from recommender.recommendations as l
                    inner join website.ratings as r using (user_id, experience_id)
                ) as already_rated,
                count(*) filter (where predicted_rating not between 1 and 5) as outside_the_scale,
                count(*) filter (where rank <> counted) as gaps,
                count(distinct publication_id) - 1 as further_publications
            from (
                select *, row_number() over (partition by user_id order by rank) as counted
                from recommender.recommendations
            ) as lists
            """
        )[0]


NOTHING_BROKEN = {"already_rated": 0, "outside_the_scale": 0, "gaps": 0, "further_publications": 0}


def test_a_night_on_made_up_ratings(
    shipped: Config, database: Database, load: Callable[[pd.DataFrame], dict[str, int]]
) -> None:
    rows = sample_ratings(users=400, experiences=60, seed=3)
    load(rows)
    result = night(shipped)
    assert result["published"]
    assert result["gate"] == {"passed": True, "reasons": []}
    assert result["rmse"] < result["baselines"]["global_mean"]
    assert len(view(database)) == 400 * 10
    assert broken_rules(database) == NOTHING_BROKEN


def test_the_same_night_twice_gives_the_same_lists(
    shipped: Config, database: Database, load: Callable[[pd.DataFrame], dict[str, int]]
) -> None:
    load(sample_ratings(users=150, experiences=40, seed=4))
    first = night(shipped)
    lists = view(database)
    second = night(shipped)
    assert second["publication_id"] != first["publication_id"]
    assert (second["stages"]["extract"]["extracted"], second["rmse"]) == (0, first["rmse"])
    # Both chose their settings, and chose the same ones.
    assert second["metrics"]["selection"]["how"] == "chosen"
    assert [night["stages"]["train"]["champion"] for night in (first, second)] == ["none", "same"]
    pd.testing.assert_frame_equal(view(database), lists)


def test_the_real_ratings(
    shipped: Config, database: Database, load: Callable[[pd.DataFrame], dict[str, int]], real_csv: Path
) -> None:
    rows = pd.read_csv(real_csv)
    loaded = load(rows[:-200])
    assert (loaded["read"], loaded["imported"], loaded["rejected"]) == (10_965, 10_965, 0)
    first = night(shipped)
    assert first["stages"]["extract"]["extracted"] == 10_965

    assert load(rows[-200:])["imported"] == 200
    result = night(shipped)
    stages = result["stages"]
    assert stages["extract"]["extracted"] == 200
    assert stages["extract"]["base_run_id"] == first["run_id"]
    assert (stages["clean"]["pairs"], stages["clean"]["rejected"]) == (4_989, 0)
    assert (stages["clean"]["users"], stages["clean"]["experiences"]) == (2_382, 241)

    # The figures of an honest evaluation on the last pair of each user. Far below the bias model would mean a leak.
    assert result["metrics"]["n"] == 1_240
    assert result["baselines"]["global_mean"] == pytest.approx(0.7790, abs=5e-4)
    assert result["baselines"]["user_experience_bias"] == pytest.approx(0.7139, abs=5e-3)
    assert 0.66 < result["rmse"] < 0.73

    lists = view(database)
    assert len(lists) == 2_382 * 10
    assert lists["user_id"].nunique() == 2_382
    assert broken_rules(database) == NOTHING_BROKEN
