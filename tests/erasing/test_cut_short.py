"""An attempt that is killed anywhere: erasing again finishes it, as if nothing had happened."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recommender_job import nightly
from recommender_job.erasing.receipts import erasures
from recommender_job.errors import PublicationBusy
from recommender_job.publishing.publications import lock
from recommender_job.ranking.predictor import Predictor
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import plain_url
from tests.erasing.conftest import ERASED, RUNS, World

#: Runs erase in a process of its own that kills itself before its n-th file.
_KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from recommender_job.config import load_config
from recommender_job.erasing.erase import erase
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database

home, url, user, left = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
write = RunFolder._write

def counted(self, path, writer):
    global left
    left -= 1
    def killed(file):
        writer(file)
        file.flush()
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    write(self, path, killed)

RunFolder._write = counted
config = load_config({"home": home, "database_url": url})
erase(config, Database.of(config), user, now=datetime(2100, 1, 1, tzinfo=UTC))
"""


class Killed(BaseException):
    """Passes through everything, as a killed process would."""


@pytest.fixture
def world(world: World) -> World:
    """With one run folder: half the work."""
    shutil.rmtree(world.runs / "first")
    return world


def finish_and_check(world: World, shown: list[dict[str, Any]], version: str) -> None:
    assert [row["state"] for row in erasures(world.database)] == ["cut short"]
    assert world.shown() == shown
    world.erase()
    assert [row["state"] for row in erasures(world.database)] == ["complete"]
    assert world.traces() == []
    assert not list(world.runs.rglob(".*"))
    assert version_of(world) == version
    nightly.publish(world.config, RUNS[1])
    assert world.shown() == [{**row, "publication_id": 3} for row in shown]


def version_of(world: World) -> str:
    return Predictor.load(world.folder(), nightly.FINAL).version


# A folder takes about twenty: version, arrays, summaries, tables.
@pytest.mark.parametrize("writes", [1, 4, 9, 11, 14, 22])
def test_stopped_before_any_file(world: World, monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
    shown, version, left = world.shown(), version_of(world), [writes]

    def counted(self: RunFolder, path: Any, replacing: Any = RunFolder._replacing) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return replacing(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "_replacing", counted)
        with pytest.raises(Killed):
            world.erase()
    finish_and_check(world, shown, version)


@pytest.mark.parametrize("half", ["before", "half", "gone"])
def test_stopped_while_the_served_model_is_replaced(world: World, monkeypatch: pytest.MonkeyPatch, half: str) -> None:
    shown, version = world.shown(), version_of(world)

    def killed(self: RunFolder, name: str, local: Path) -> None:
        if half == "half":
            (world.runs / self.path.name / name / "saved_model.pb").unlink()
        if half == "gone":
            shutil.rmtree(world.runs / self.path.name / name)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "write_folder", killed)
        with pytest.raises(Killed):
            world.erase()
    finish_and_check(world, shown, version)
    assert (world.runs / "second" / nightly.SAVED_MODEL / "saved_model.pb").exists()


@pytest.mark.parametrize("place", ["lists and quarantine", "second"])
def test_stopped_between_the_places(world: World, place: str) -> None:
    shown, version = world.shown(), version_of(world)

    def killed(next_place: str) -> None:
        if next_place == place:
            raise Killed

    with pytest.raises(Killed):
        world.erase(progress=killed)
    finish_and_check(world, shown, version)


def test_the_process_killed_in_the_middle_of_a_file(world: World) -> None:
    shown, version = world.shown(), version_of(world)
    arguments = [str(world.config.home), plain_url(world.database.url), str(ERASED), "1"]
    told = subprocess.run([sys.executable, "-c", _KILLED, *arguments], capture_output=True, check=False)
    assert told.returncode == -signal.SIGKILL, told.stderr
    assert list(world.runs.rglob(".*.tmp"))
    finish_and_check(world, shown, version)


def test_while_somebody_publishes_the_user_is_remembered_and_nothing_else(world: World) -> None:
    shown, version, before = world.shown(), version_of(world), world.states()
    with world.database.transaction() as publisher:
        lock(publisher)
        with pytest.raises(PublicationBusy):
            world.erase()
    assert world.states() == before
    finish_and_check(world, shown, version)
