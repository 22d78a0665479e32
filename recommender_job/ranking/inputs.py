"""The ratings that train and refit work on: in memory where `train_memory_mb` allows that, else on the disk."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from recommender_job.config import Config
from recommender_job.ranking.encoded import Encoded, Spill
from recommender_job.ranking.ids import IdMap
from recommender_job.ranking.shuffled import BLOCK
from recommender_job.ranking.trainer import Trainers
from recommender_job.ratings.clean import CLEAN
from recommender_job.ratings.split import held_out, split
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.mapped import mapped_frame, rows_of
from recommender_job.storage.run_files import batches
from recommender_job.tables import RATINGS, USER, checked

TRAIN = "train/train.parquet"
HOLDOUT = "train/holdout.parquet"
#: Memory that a rating takes at most, where all are in memory: while they are checked, and while they are split.
RATING_BYTES = 150
#: Memory that a rating takes while a window of them is trained on.
WINDOW_BYTES = 40


@contextlib.contextmanager
def all_ratings(config: Config, folder: RunFolder) -> Iterator[tuple[pd.DataFrame, Trainers]]:
    """The clean ratings, and trainers for their ids. The frame is gone after the block.

    Raises:
        ArtifactBroken: The ratings break their contract.
    """
    if _fits(config, folder, CLEAN):
        ratings = checked(folder.read_frame(CLEAN), RATINGS)
        yield ratings, Trainers(ratings, devices=config.train_devices)
        return
    with folder.scratch("ratings") as local:
        ratings = _mapped(config, folder, CLEAN, local / "all")
        yield ratings, Trainers(ratings, _spill(config, local), config.train_devices)


@contextlib.contextmanager
def training_part(config: Config, folder: RunFolder) -> Iterator[tuple[pd.DataFrame, Trainers]]:
    """Splits the clean ratings into `TRAIN` and `HOLDOUT`, and gives the training part as `all_ratings` gives all.

    Raises:
        ArtifactBroken: The ratings break their contract.
        NothingToTrainOn: One of the two would be empty.
    """
    if _fits(config, folder, CLEAN):
        training = _split_in_memory(config, folder)
        yield training, Trainers(training, devices=config.train_devices)
        return
    with folder.scratch("ratings") as local:
        ratings = _mapped(config, folder, CLEAN, local / "all")
        _write_parts(folder, held_out(ratings, config.holdout, share=config.holdout_share, seed=config.seed))
        del ratings
        shutil.rmtree(local / "all")
        training = _mapped(config, folder, TRAIN, local / "training", check=False)
        yield training, Trainers(training, _spill(config, local), config.train_devices)


@contextlib.contextmanager
def evaluation_parts(config: Config, folder: RunFolder) -> Iterator[tuple[Encoded, pd.DataFrame]]:
    """The training part, and the holdout: that is never more than memory holds, since a model predicts all of it.

    Raises:
        ArtifactBroken: The ratings break their contract.
    """
    holdout = checked(folder.read_frame(HOLDOUT), RATINGS)
    if _fits(config, folder, TRAIN):
        yield Encoded.of(checked(folder.read_frame(TRAIN), RATINGS)), holdout
        return
    with folder.scratch("training") as local:
        yield Encoded.of(_mapped(config, folder, TRAIN, local / "all"), _spill(config, local)), holdout


def _fits(config: Config, folder: RunFolder, name: str) -> bool:
    return rows_of(folder, name) * RATING_BYTES <= config.train_memory_mb * 2**20


def _spill(config: Config, local: Path) -> Spill:
    return Spill(local, max(BLOCK, config.train_memory_mb * 2**20 // WINDOW_BYTES))


def _split_in_memory(config: Config, folder: RunFolder) -> pd.DataFrame:
    """The training part; what it was cut from is no longer held."""
    ratings = checked(folder.read_frame(CLEAN), RATINGS)
    training, holdout = split(ratings, config.holdout, share=config.holdout_share, seed=config.seed)
    folder.write_table(TRAIN, training)
    folder.write_table(HOLDOUT, holdout)
    return training


def _mapped(config: Config, folder: RunFolder, name: str, local: Path, *, check: bool = True) -> pd.DataFrame:
    local.mkdir()
    ratings = mapped_frame(folder, name, local)
    if check:
        # All ratings of some users at a time: pairs that repeat then stand in the same part.
        users = IdMap.of(ratings[USER].to_numpy()).ids
        parts = -(-len(ratings) * RATING_BYTES // (config.train_memory_mb * 2**20))
        for some in np.array_split(users, parts):
            checked(ratings[ratings[USER].between(some[0], some[-1])], RATINGS)
    return ratings


def _write_parts(folder: RunFolder, held: NDArray[np.bool_]) -> None:
    """Writes the clean ratings as training part and holdout, batch by batch."""
    with contextlib.ExitStack() as files:
        start = 0
        for batch in batches(folder, CLEAN):
            if not start:
                kept, out = (files.enter_context(folder.table_writer(name, batch.schema)) for name in (TRAIN, HOLDOUT))
            own = held[start : start + len(batch)]
            kept(pa.Table.from_batches([batch.filter(pa.array(~own))]))
            out(pa.Table.from_batches([batch.filter(pa.array(own))]))
            start += len(batch)
