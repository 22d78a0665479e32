"""The memory of a scoring task depends on its block: not on the users of the model, of the shard, or of the night."""

from __future__ import annotations

import contextlib
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender_job.config import Config
from recommender_job.isolation import in_child
from recommender_job.ranking import ids
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.relevance import RelevanceModel
from recommender_job.ratings.clean import CLEAN
from recommender_job.scoring import parts
from recommender_job.scoring import score as stage
from recommender_job.scoring.plan import PLANNED_EXPERIENCES, PLANNED_OPT_OUTS, PLANNED_USERS
from recommender_job.storage import run_files, seal
from recommender_job.storage.artifacts import RunFolder
from tests.scoring import random_worlds as worlds

EXPERIENCES = np.arange(40)
MODEL = "refit/model"


def made(folder: RunFolder, known: int, users: np.ndarray) -> tuple[Predictor, RelevanceModel]:
    """Saves a model of so many users and what a shard of some of them needs; returns the model as it is in memory."""
    predictor = worlds.predictor("average", np.arange(known), EXPERIENCES)
    relevance = worlds.relevance("factors", np.arange(known), EXPERIENCES)
    predictor.save(folder, MODEL)
    relevance.save(folder, MODEL)
    folder.write_table(PLANNED_USERS, pd.DataFrame({"user_id": users, "shard": 0}))
    offered = pd.DataFrame({"experience_id": EXPERIENCES, "name": "a", "group": EXPERIENCES, "group_name": None})
    folder.write_table(PLANNED_EXPERIENCES, offered.assign(pin=pd.array([None] * len(EXPERIENCES), "Int64")))
    folder.write_table(PLANNED_OPT_OUTS, worlds.rated(users, EXPERIENCES, share=0.01).sort_values("user_id"))
    folder.write_table(CLEAN, worlds.rated(users, EXPERIENCES, share=0.1))
    return predictor, relevance


def scored(config: Config, folder: RunFolder) -> dict[str, Any]:
    return stage.score(config, folder, 0, Predictor.load(folder, MODEL), RelevanceModel.load(folder, MODEL))


def traced(work: Callable[[], Any]) -> int:
    """Most bytes that NumPy and Python held at once."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture
def one_thread(settings: Callable[..., Config]) -> Config:
    return settings(score_threads=1, block_pairs=4_000)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that many users are many blocks."""
    monkeypatch.setattr(ids, "BLOCK", 2**12)
    monkeypatch.setattr(seal, "PART", 2**12)
    monkeypatch.setattr(parts, "USERS_TOGETHER", 500)
    monkeypatch.setattr(run_files, "BATCH", 2**12)


def test_a_model_that_lies_in_files_makes_the_lists_of_one_in_memory(tmp_path: Path, one_thread: Config) -> None:
    folder = RunFolder(str(tmp_path), "a-run")
    in_memory = made(folder, 3_000, np.arange(0, 4_000, 3))
    expected = stage.score(one_thread, folder, 0, *in_memory)
    lists = folder.read_frame(stage.lists_file(0))
    assert scored(one_thread, folder) == expected
    pd.testing.assert_frame_equal(folder.read_frame(stage.lists_file(0)), lists)
    assert expected["users"] == lists["user_id"].nunique() == 1_334
    assert lists["predicted_rating"].nunique() > 1_000


def test_users_of_the_model_take_no_memory(tmp_path: Path, one_thread: Config) -> None:
    """A byte for each of the 290,000 more would be seen; their vectors, factors, ids and biases are 58 MB."""
    peaks = []
    for known in (10_000, 300_000):
        folder = RunFolder(str(tmp_path), str(known))
        made(folder, known, np.arange(1_000) * 10)
        scored(one_thread, folder)  # what is made once, at the first time, does not count
        peaks.append(traced(lambda folder=folder: scored(one_thread, folder)))  # type: ignore[misc]
    assert peaks[1] - peaks[0] < 200_000


def test_users_of_the_shard_take_no_memory(tmp_path: Path, one_thread: Config) -> None:
    """Beyond those that are looked at together; the ids of the 38,000 more are 304 kB."""
    peaks = []
    for users in (2_000, 40_000):
        folder = RunFolder(str(tmp_path), str(users))
        made(folder, 40_000, np.arange(users) * (40_000 // users))
        scored(one_thread, folder)
        peaks.append(traced(lambda folder=folder: scored(one_thread, folder)))  # type: ignore[misc]
    assert peaks[1] - peaks[0] < 200_000


@contextlib.contextmanager
def watched() -> Iterator[list[int]]:
    """Bytes of memory that this process cannot give back, looked at again and again."""
    found, ended = [anonymous()], threading.Event()

    def watch() -> None:
        while not ended.wait(0.005):
            found.append(anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield found
    finally:
        ended.set()
        watcher.join()


def anonymous() -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text("ascii").splitlines())
    return 1024 * int(lines["RssAnon"].split()[0])


def test_the_system_sees_none_of_the_model_either(tmp_path: Path, one_thread: Config) -> None:
    """Native code holds memory that Python is not told of. The model takes 80 MB."""
    small, large = (RunFolder(str(tmp_path), name) for name in ("small", "large"))
    users = np.arange(1_000)
    made(small, 1_000, users)
    made(large, 400_000, users * 400)

    def grown() -> int:
        scored(one_thread, small)
        with watched() as found:
            scored(one_thread, large)
        return max(found) - found[0]

    assert in_child(grown) < 20_000_000
