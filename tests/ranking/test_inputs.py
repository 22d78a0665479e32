"""Ratings beyond the memory budget are split, checked and trained on from the disk, as those within it are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender_job.config import Config, load_config
from recommender_job.errors import ArtifactBroken, NothingToTrainOn
from recommender_job.ranking import inputs, stages
from recommender_job.ranking.encoded import Encoded, Spill
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.relevance import RelevanceModel
from recommender_job.ratings.clean import CLEAN
from recommender_job.storage import run_files
from recommender_job.storage.artifacts import RunFolder
from tests.ranking import worlds

QUICK: dict[str, Any] = {
    "model.epochs": 2,
    "model.hidden_layers": (4,),
    "model.embedding_dimension": 4,
    "relevance.ease_l2": (5.0,),
    "relevance.popularity": (0.1,),
    "relevance.activity_power": (0.0,),
    "train_memory_mb": 64,
}


@pytest.fixture
def beyond(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some 560 ratings are three times too many, and are read in several parts."""
    monkeypatch.setattr(inputs, "RATING_BYTES", 3 * 64 * 2**20 // len(worlds.noise()))
    monkeypatch.setattr(run_files, "BATCH", 100)


def config(**changes: Any) -> Config:
    return load_config({**QUICK, **changes})


def trained(folder: RunFolder, settings: Config) -> dict[str, Any]:
    """Everything that the stages leave."""
    folder.write_table(CLEAN, worlds.noise())
    folder.finish("train", stages.train(settings, folder, "challenger", "champion"))
    stages.refit(settings, folder, "challenger", "final", "served")
    relevance = RelevanceModel.load(folder, "final")
    return {
        "train": folder.read_frame(inputs.TRAIN),
        "holdout": folder.read_frame(inputs.HOLDOUT),
        "versions": [Predictor.load(folder, name).version for name in ("challenger", "final")],
        "recipe": stages.load_recipe(folder, "challenger"),
        "relevance": (relevance.matrix.tobytes(), relevance.share.tobytes()),
    }


@pytest.mark.parametrize("holdout", ["last", "time", "random"])
def test_the_night_from_the_disk_is_the_night_from_memory(
    folder: RunFolder, holdout: str, request: pytest.FixtureRequest
) -> None:
    settings = config(holdout=holdout)
    expected = trained(folder, settings)
    request.getfixturevalue("beyond")
    found = trained(folder, settings)
    for name in ("train", "holdout"):
        pd.testing.assert_frame_equal(found.pop(name), expected.pop(name))
    assert found == expected
    assert not list(Path(folder.url("")).glob(".*"))  # nothing is left of the files


@pytest.mark.usefixtures("beyond")
def test_the_frames_lie_on_the_disk_and_the_trainers_know_where(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "BLOCK", 16)
    monkeypatch.setattr(inputs, "WINDOW_BYTES", 64 * 2**20 // 50)
    settings = config()
    folder.write_table(CLEAN, worlds.noise())
    for given in (inputs.all_ratings, inputs.training_part):
        with given(settings, folder) as (ratings, trainers):
            (local,) = Path(folder.url("")).glob(".ratings.scratch")
            mapped = next(child for child in local.iterdir() if child.is_dir()) / "rating"
            np.memmap(mapped, np.float32, "r+")[3] = 1.25
            assert ratings["rating"][3] == 1.25
            assert trainers.spill == Spill(local, 50)
            assert isinstance(Encoded.of(ratings, trainers.spill).user, np.memmap)
        assert not local.exists()


def test_within_the_budget_nothing_lies_on_the_disk(folder: RunFolder) -> None:
    folder.write_table(CLEAN, worlds.noise())
    for given in (inputs.all_ratings, inputs.training_part):
        with given(config(), folder) as (ratings, _):
            assert not list(Path(folder.url("")).glob(".*"))
            assert len(ratings)


@pytest.mark.usefixtures("beyond")
@pytest.mark.parametrize("user", [100, 113, 114, 126, 127, 139])  # the first and the last of each of three parts
def test_a_pair_that_repeats_is_found_in_whatever_part_it_is(folder: RunFolder, user: int) -> None:
    ratings = worlds.noise()
    own = ratings[ratings["user_id"] == user]
    folder.write_table(CLEAN, pd.concat([ratings, own.head(1)], ignore_index=True))
    with (
        pytest.raises(ArtifactBroken, match="Table `ratings` breaks its contract"),
        inputs.training_part(config(), folder),
    ):
        pass


def test_ratings_that_cannot_be_split_are_refused(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "RATING_BYTES", 3 * 2**20)  # forty are twice too many
    folder.write_table(CLEAN, worlds.noise().drop_duplicates("user_id", ignore_index=True))
    with (
        pytest.raises(NothingToTrainOn, match="leaves 40 pairs to train on and 0 to evaluate on"),
        inputs.training_part(config(), folder),
    ):
        pass


@pytest.mark.parametrize("much", [False, True])
def test_trainers_use_the_devices_that_are_asked_for(
    folder: RunFolder, much: bool, request: pytest.FixtureRequest
) -> None:
    if much:
        request.getfixturevalue("beyond")
    settings = config(train_devices="cpu")
    folder.write_table(CLEAN, worlds.noise())
    for given in (inputs.all_ratings, inputs.training_part):
        with given(settings, folder) as (ratings, trainers):
            for some in (trainers, trainers.of_others(ratings.head(50))):
                trainer = some.of(settings.model)
                assert type(trainer._graph._strategy).__name__ == "OneDeviceStrategy"
                assert (trainer._spill is not None) == much
