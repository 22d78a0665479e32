"""The embedded server in the hands of several processes, and after a crash."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from recommender_job.errors import DatabaseAway
from recommender_job.storage import embedded
from recommender_job.storage.database import Database

#: Number of a process that no system has.
NOBODY = str(2**22 - 1)


@pytest.fixture
def home() -> Iterator[Path]:
    """A home with a short name: the path of a Unix socket has at most 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    yield path
    embedded.stop(path)
    shutil.rmtree(path)


def postmaster(home: Path) -> int:
    return int((home / "postgres" / "postmaster.pid").read_text().split()[0])


def wait_until_gone(home: Path) -> None:
    deadline = time.monotonic() + 60
    while (home / "postgres" / "postmaster.pid").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


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
    wait_until_gone(home)


def test_a_server_that_crashed_starts_again_with_what_was_committed(home: Path) -> None:
    write(embedded.start(home))
    left_behind = (home / "postgres" / "postmaster.pid").read_text()
    os.kill(postmaster(home), signal.SIGQUIT)  # stops at once, without writing anything out
    wait_until_gone(home)
    (home / "postgres" / "postmaster.pid").write_text(left_behind.replace(left_behind.split()[0], NOBODY, 1))
    assert embedded.stop(home) is False
    assert read(embedded.start(home)) == [{"figure": 7}]


def test_a_folder_of_something_else_is_left_alone(home: Path) -> None:
    (home / "postgres").mkdir()
    (home / "postgres" / "thesis.txt").write_text("precious")
    with pytest.raises(DatabaseAway, match="does not start"):
        embedded.start(home)
    assert (home / "postgres" / "thesis.txt").read_text() == "precious"
