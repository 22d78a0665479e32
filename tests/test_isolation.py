"""Work in a child process: its result, its errors, its death and its end with the worker, each tried for real.

The worker is an interpreter of its own: forking pytest, which may have threads, would be another thing than what
Airflow does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

HEAD = """
import ctypes, os, signal, sys, time
from recommender_job.isolation import in_child
from recommender_job.errors import DatabaseAway, GateBlocked, ProcessDied
"""


def worker(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        [sys.executable, "-c", HEAD + code, *arguments], capture_output=True, text=True, timeout=30, env=buffered
    )


def test_the_result_comes_back_and_what_is_printed_is_printed_once() -> None:
    told = worker(
        """
def work(a, b):
    print("inside", os.getpid() != pid)
    return {"sum": a + b}
pid = os.getpid()
print("before", end=" ")
print(in_child(work, 1, 2))
"""
    )
    assert told.stdout == "before inside True\n{'sum': 3}\n", told.stderr
    assert told.returncode == 0


def test_a_large_result_fits() -> None:
    assert worker("print(len(in_child(lambda: 'x' * 10**6)))").stdout == "1000000\n"


def test_an_error_of_our_own_comes_back_whole_and_without_a_traceback() -> None:
    told = worker(
        """
def work():
    try:
        1 / 0
    except ZeroDivisionError as error:
        raise GateBlocked("No.", action="Look.", figures={"rmse": 2.0}, run_id="r", stage="gate") from error
try:
    in_child(work)
except GateBlocked as error:
    print(error.cause, error.action, error.figures, error.run_id, error.stage, error.__cause__)
"""
    )
    assert told.stdout == "No. Look. {'rmse': 2.0} r gate None\n", told.stderr
    assert told.stderr == ""


def test_a_defect_keeps_its_type_and_shows_where_it_happened() -> None:
    told = worker("def work():\n    return {}['gone']\nin_child(work)")
    assert told.returncode == 1
    assert "KeyError: 'gone'" in told.stderr
    assert "in work" in told.stderr


@pytest.mark.parametrize(
    "odd",
    [
        "class Odd(Exception):\n    def __init__(self, a, b): super().__init__('odd one')\nerror = Odd(1, 2)",
        "error = ValueError('odd one', lambda: 0)",
    ],
)
def test_an_error_that_cannot_travel_is_told_all_the_same(odd: str) -> None:
    told = worker(
        f"{odd}\ndef work():\n    raise error\ntry:\n    in_child(work)\nexcept Exception as e:\n    print(repr(e))"
    )
    assert "odd one" in told.stdout, told.stderr
    assert "RuntimeError" in told.stdout


def test_a_result_that_cannot_travel_is_an_error() -> None:
    assert "pickle" in worker("in_child(lambda: (lambda: 0))").stderr


#: How the child ends, and what is told of it.
ENDS = [
    ("ctypes.string_at(0)", "`work` crashed in native code (SIGSEGV)"),
    ("os.abort()", "`work` crashed in native code (SIGABRT)"),
    ("os.kill(os.getpid(), signal.SIGKILL)", "`work` was killed (SIGKILL): most likely the machine ran out of memory"),
    (
        "signal.signal(signal.SIGTERM, signal.SIG_DFL); os.kill(os.getpid(), signal.SIGTERM)",
        "`work` was ended by SIGTERM",
    ),
    ("os._exit(7)", "`work` ended with exit code 7 and told nothing"),
    ("os._exit(0)", "`work` ended with exit code 0 and told nothing"),
]


@pytest.mark.parametrize(("how", "said"), ENDS)
def test_a_death_is_told(how: str, said: str) -> None:
    # As Airflow leaves it: a handler in Python, which a crash never gets to.
    told = worker(
        f"""
signal.signal(signal.SIGSEGV, lambda *_: None)
def work():
    {how}
try:
    in_child(work)
except ProcessDied as error:
    print(error.cause, "|", error.action)
"""
    )
    assert said in told.stdout, told.stderr
    assert "dmesg" in told.stdout
    if "string_at" in how:
        assert "Fatal Python error: Segmentation fault" in told.stderr
        assert "in work" in told.stderr


def test_a_time_limit_of_the_worker_ends_the_child() -> None:
    told = worker(
        """

def late(*_): raise TimeoutError("late")
def work():
    print(os.getpid(), flush=True)
    time.sleep(60)
signal.signal(signal.SIGALRM, late)
signal.setitimer(signal.ITIMER_REAL, 0.5)
in_child(work)
"""
    )
    assert "TimeoutError: late" in told.stderr
    assert not alive(int(told.stdout))


STAGE = """
from datetime import UTC, datetime
from recommender_job.config import load_config
from recommender_job.runs import Run
from recommender_job.stages import Stage
class AirflowTaskTimeout(BaseException): pass
class Terminated(BaseException): pass
def ended(kind):
    def handle(*_): raise kind("by Airflow")
    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
def score(config, run, folder, shard):
    {how}
config, run = load_config(dict(home=sys.argv[1])), Run("tonight", datetime(2024, 1, 1, tzinfo=UTC))
{before}
in_child(Stage("score-{:04d}".format, score), config, run, 3)
"""
#: What the child does, what happens to the worker before that, and what is kept of it.
KEPT = [
    (
        "os.kill(os.getpid(), signal.SIGKILL)",
        "",
        "ProcessDied",
        "`score` was killed (SIGKILL): most likely the machine",
    ),
    ("ctypes.string_at(0)", "", "ProcessDied", "`score` crashed in native code (SIGSEGV)"),
    ("time.sleep(60)", "ended(AirflowTaskTimeout)", "TookTooLong", "(AirflowTaskTimeout: by Airflow)"),
    ("time.sleep(60)", "ended(Terminated)", "ProcessDied", "was ended, as its worker was (Terminated: by Airflow)."),
    ("raise DatabaseAway('gone', action='wait')", "", "DatabaseAway", "gone"),
]


@pytest.mark.parametrize(("how", "before", "kind", "cause"), KEPT)
def test_what_a_child_cannot_tell_is_kept_in_the_run_folder(
    tmp_path: Path, how: str, before: str, kind: str, cause: str
) -> None:
    code = STAGE.replace("{how}", how).replace("{before}", before)
    told = worker(code, str(tmp_path))
    assert told.returncode != 0
    assert (tmp_path / "runs").is_dir(), told.stderr
    (file,) = (tmp_path / "runs").rglob("*.json")
    assert file.parts[-3:] == ("tonight", "failed", "score-0003.json"), told.stderr
    found = json.loads(file.read_text("utf-8"))
    assert (found["class"], found["defect"]) == (kind, False)
    assert cause in found["cause"]
    if kind != "DatabaseAway" and not before:
        assert "[run tonight, stage score-0003]" in told.stderr


def test_the_child_dies_with_a_worker_that_is_killed(tmp_path: Path) -> None:
    code = "def work():\n    print(os.getpid(), flush=True)\n    time.sleep(60)\nin_child(work)"
    with subprocess.Popen([sys.executable, "-c", HEAD + code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 60
    while alive(child):
        assert time.monotonic() < deadline
        os.sched_yield()


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended but that nobody has asked for does not."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
