"""The embedded server in the hands of several processes, and after it was killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from recommender_job.errors import DatabaseAway
from recommender_job.storage import embedded
from recommender_job.storage.database import Database


@pytest.fixture
def home() -> Iterator[Path]:
    """A home with a short name: the path of a Unix socket has at most 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    yield path
    embedded.stop(path)
    shutil.rmtree(path)


def postmaster(home: Path) -> psutil.Process:
    return psutil.Process(int((home / "postgres" / "postmaster.pid").read_text().split()[0]))


def in_another_process(home: Path, call: str) -> str:
    program = f"import pathlib, sys; from recommender_job.storage import embedded; print(embedded.{call})"
    return subprocess.run(
        [sys.executable, "-c", program.replace("HOME", "pathlib.Path(sys.argv[1])"), home],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def write(url: sa.URL) -> None:
    with Database(url).transaction() as transaction:
        transaction.run("create table kept as select 7 as figure")


def read(url: sa.URL) -> list[dict[str, int]]:
    with Database(url).transaction() as transaction:
        return transaction.rows("select figure from kept")


def test_a_server_that_another_process_stopped_starts_again(home: Path) -> None:
    write(embedded.start(home))
    assert in_another_process(home, "stop(HOME)") == "True"
    assert embedded.stop(home) is False
    assert read(embedded.start(home)) == [{"figure": 7}]


def test_a_server_outlives_the_process_that_started_it_and_is_found_by_others(home: Path) -> None:
    assert in_another_process(home, "start(HOME).database") == "recommender"
    started = postmaster(home)
    write(embedded.start(home))
    assert postmaster(home) == started
    assert embedded.stop(home) is True
    assert not started.is_running()


def test_a_server_that_was_killed_starts_again_with_what_was_committed(home: Path) -> None:
    write(embedded.start(home))
    family = [postmaster(home), *postmaster(home).children(recursive=True)]
    family[0].send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
    assert embedded.stop(home) is False
    assert read(embedded.start(home)) == [{"figure": 7}]


def test_a_folder_of_something_else_is_left_alone(home: Path) -> None:
    (home / "postgres").mkdir()
    (home / "postgres" / "thesis.txt").write_text("precious")
    with pytest.raises(DatabaseAway, match="does not start"):
        embedded.start(home)
    assert (home / "postgres" / "thesis.txt").read_text() == "precious"
