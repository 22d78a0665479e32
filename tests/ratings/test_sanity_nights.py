"""Nights whose ratings as a whole are broken: they stop before anything is trained, with the figures."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender_job.config import Config
from recommender_job.errors import NothingToTrainOn, SourceSuspicious
from recommender_job.ratings.clean import CLEAN, clean
from recommender_job.runs import Run
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database
from tests.ratings.cleaned import write_snapshot
from tests.ratings.worlds import source_ratings

USERS, EXPERIENCES = 400, 20
Night = Callable[..., dict[str, Any]]


def source(rows: int) -> pd.DataFrame:
    """The first so many ratings of an endless source: four users in five like what they rate."""
    number = np.arange(rows)
    user, experience = number % USERS, number // USERS % EXPERIENCES
    rating = np.where((user + experience) % 5 == 0, 1.0, 5.0).astype("float32")
    moments = source_ratings((0, 0, 1, 0, 0)).iloc[[0] * rows].reset_index(drop=True)
    shift = pd.to_timedelta(number, unit="min")
    return moments.assign(user_id=user, experience_id=experience, rating=rating, rated_at=moments["rated_at"] + shift)


@pytest.fixture
def night(make_config: Callable[..., Config], database: Database) -> Night:
    """Cleans a night's ratings; returns the summary's `sanity`."""

    def work(
        day: int, ratings: pd.DataFrame, source_rows: int | None = None, name: str | None = None, **settings: Any
    ) -> dict[str, Any]:
        config = make_config({key.replace("__", "."): value for key, value in settings.items()})
        run = Run(name or f"day-{day}", datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day))
        folder = RunFolder(config.runs, run.folder)
        write_snapshot(folder, ratings, users=sorted(set(ratings["user_id"])), experiences=range(EXPERIENCES))
        if source_rows is not None:
            folder.finish("extract", {"source_rows": source_rows})
        told: dict[str, Any] = clean(config, run, folder, database)["sanity"]
        return told

    return work


def accepted(database: Database) -> list[str]:
    with database.transaction() as transaction:
        return [row["run_id"] for row in transaction.rows("select run_id from recommender.profile order by cutoff")]


def swapped(ratings: pd.DataFrame) -> pd.DataFrame:
    return ratings.assign(rating=6 - ratings["rating"])


def renumbered(ratings: pd.DataFrame) -> pd.DataFrame:
    return ratings.assign(user_id=ratings["user_id"] + 10_000)


def twice(ratings: pd.DataFrame) -> pd.DataFrame:
    again = ratings.assign(rated_at=ratings["rated_at"] + timedelta(seconds=1))
    return pd.concat([ratings, again], ignore_index=True)


@pytest.mark.parametrize(
    ("change", "settings", "told"),
    [
        (lambda ratings: ratings[:0], {}, "0 ratings in the snapshot, 2,000 at the last accepted night"),
        (lambda ratings: ratings[: len(ratings) // 2], {}, "1,025 ratings in the snapshot, 2,000 at the last"),
        (twice, {}, "4,100 ratings in the snapshot, 2,000 at the last accepted night, about 2,000 expected"),
        (swapped, {}, "(1: 80.0%, 5: 20.0%; then 1: 20.0%, 5: 80.0%)"),
        (
            lambda r: r.assign(rating=r["rating"] * 2),
            {"rating_max": 10},
            "(2: 20.0%, 10: 80.0%; then 1: 20.0%, 5: 80.0%)",
        ),
        (renumbered, {}, "100.0% of the users are new since run day-0, about 0.0% expected, up to 30.0% allowed"),
    ],
)
def test_a_broken_source_stops_the_night_with_the_figures(
    night: Night, database: Database, config: Config, change: Any, settings: dict[str, Any], told: str
) -> None:
    night(0, source(2_000))
    broken = change(source(2_050))
    with pytest.raises(SourceSuspicious) as caught:
        night(1, broken, **settings)
    assert told in caught.value.cause
    assert accepted(database) == ["day-0"]
    assert not (RunFolder(config.runs, "day-1").path / CLEAN).exists()
    if broken.empty:
        with pytest.raises(NothingToTrainOn):
            night(1, broken, sanity__mode="warn")
        return
    # Accepted once, it is what the next nights are compared with.
    warned = night(1, broken, sanity__mode="warn", **settings)
    assert any(told in warning for warning in warned["warnings"])
    assert night(2, change(source(2_060)), **settings)["warnings"] == []
    with pytest.raises(SourceSuspicious):
        night(3, source(2_070), **settings)


def test_growth_as_usual_passes(night: Night, database: Database) -> None:
    for day in range(5):
        told = night(day, source(2_000 + 100 * day), source_rows=3_000 + 150 * day)
        assert told["warnings"] == []
    figures = told["figures"]
    assert {key: figures[key] for key in ("snapshot_rows", "source_rows", "pairs", "users", "experiences")} == {
        "snapshot_rows": 2_400, "source_rows": 3_600, "pairs": 2_400, "users": 400, "experiences": 6,
    }  # fmt: skip
    assert (figures["new_users_share"], figures["new_experiences_share"], figures["refused_share"]) == (0, 0, 0)
    assert told["expected"]["source_rows"]["value"] == 3_600
    assert told["compared_with"] == "day-3"
    assert accepted(database) == [f"day-{day}" for day in range(5)]


def test_the_source_is_seen_to_shrink_although_the_snapshot_does_not(night: Night) -> None:
    night(0, source(2_000), source_rows=2_000)
    with pytest.raises(SourceSuspicious, match="1,000 ratings at the source"):
        night(1, source(2_010), source_rows=1_000)


def test_new_experiences_are_counted_against_the_last_night(night: Night) -> None:
    night(0, source(2_000))
    with pytest.raises(SourceSuspicious, match=r"80\.0% of the experiences are new since run day-0"):
        night(1, source(2_000).assign(experience_id=lambda r: r["experience_id"] + 4), sanity__max_psi=9)


def test_a_night_whose_folder_is_gone_is_compared_by_the_other_figures(night: Night, config: Config) -> None:
    night(0, source(2_000))
    shutil.rmtree(str(RunFolder(config.runs, "day-0").path))
    told = night(1, renumbered(source(2_000)))
    assert told["figures"]["new_users_share"] is None
    assert "the clean ratings of run day-0 are gone" in told["notes"][0]
    assert sorted(told["expected"]) == ["psi", "snapshot_rows"]


def test_an_older_night_is_compared_with_those_before_it_and_changes_nothing_for_later_ones(
    night: Night, database: Database
) -> None:
    night(10, source(6_000))
    assert night(5, source(3_000))["compared_with"] is None
    assert night(6, source(3_010))["compared_with"] == "day-5"
    assert night(11, source(6_010))["compared_with"] == "day-10"
    assert accepted(database) == ["day-5", "day-6", "day-10", "day-11"]


def test_a_rerun_is_compared_with_the_nights_before_it_and_takes_its_own_place(
    night: Night, database: Database
) -> None:
    night(0, source(2_000))
    night(1, source(4_000), sanity__mode="warn")
    told = night(1, source(2_010))
    assert (told["compared_with"], told["warnings"]) == ("day-0", [])
    assert night(2, source(2_020))["warnings"] == []
    assert accepted(database) == ["day-0", "day-1", "day-2"]


def test_of_nights_of_one_cutoff_the_one_accepted_last_counts(night: Night) -> None:
    night(0, source(2_000), name="scheduled")
    night(0, source(2_001), name="by hand")
    assert night(1, source(2_010))["compared_with"] == "by hand"
    night(0, source(2_000), name="scheduled")
    assert night(1, source(2_010))["compared_with"] == "scheduled"


def test_a_night_that_is_not_judged_is_still_what_the_next_is_compared_with(night: Night) -> None:
    night(0, source(2_000))
    assert night(1, source(4_000), sanity__mode="off")["expected"] == {}
    assert night(2, source(4_000))["warnings"] == []


def test_only_the_recent_nights_count(night: Night) -> None:
    for day, rows in enumerate((1_000, 1_400, 1_960, 2_000)):
        night(day, source(rows), sanity__mode="off")
    assert night(4, source(2_600), sanity__nights=4)["warnings"] == []
    with pytest.raises(SourceSuspicious):
        night(4, source(2_900), sanity__nights=2)
