"""Services as processes: started apart, found again, kept running, stopped with everything that they have started."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from scripts.stack.compose import Service
from scripts.stack.processes import Processes

#: Starts a child in the background, tells that it is there, and waits; the child hears no SIGTERM.
PARENT = """
import pathlib, signal, subprocess, sys, time
child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
process = subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE)
process.stdout.readline()
pathlib.Path("ready").touch()
time.sleep(60)
"""


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Processes]]:
    made: list[Processes] = []

    def build(
        *command: str, health: tuple[str, ...] = ("true",), environment: dict[str, str] | None = None
    ) -> Processes:
        service = Service("tried", command, environment or {}, health, {}, {}, tmp_path, ())
        made.append(Processes(service, tmp_path))
        return made[-1]

    yield build
    for processes in made:
        processes.kill()


@pytest.fixture
def family(make: Callable[..., Processes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Processes:
    """A running service of a command and its child."""
    monkeypatch.setattr("scripts.stack.processes.GRACE_SECONDS", 0.5)
    processes = make(sys.executable, "-c", PARENT)
    processes.start()
    until((tmp_path / "ready").exists)
    return processes


def until(done: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_a_service_is_found_again_by_somebody_else(family: Processes, tmp_path: Path) -> None:
    again = Processes(family.service, tmp_path)
    assert again.leader() == family.leader() is not None
    assert len(again.all()) == 3, "keeper, command and child"
    assert [process.pid for process in again.working()] == [process.pid for process in family.working()]
    command, child = again.working()
    assert child.ppid() == command.pid
    assert again.healthy()


def test_a_clock_that_is_set_loses_no_service(family: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [process.pid for process in family.all()]
    created = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: created(process) + 1)
    assert family.leader() is not None
    assert [process.pid for process in family.all()] == before


def test_starting_again_changes_nothing(family: Processes) -> None:
    before = {process.pid for process in family.all()}
    family.start()
    assert {process.pid for process in family.all()} == before


def test_stopping_ends_also_what_does_not_listen(family: Processes) -> None:
    before = family.all()
    assert family.stop()
    assert not any(map(lives, before))
    assert family.all() == []
    assert not family.healthy()
    assert not family.stop(), "nothing was left"


def test_what_a_killed_keeper_left_is_found_and_stopped(family: Processes) -> None:
    left = family.working()
    keeper = family.leader()
    assert keeper is not None
    keeper.kill()
    until(lambda: not lives(keeper))
    assert family.leader() is None
    assert {process.pid for process in family.all()} == {process.pid for process in left}
    assert not family.healthy()
    assert family.stop()
    assert not any(map(lives, left))


def test_a_killed_service_stays_dead(family: Processes) -> None:
    before = family.all()
    family.kill()
    assert family.all() == []
    assert family.leader() is None
    assert not any(map(lives, before))


def test_a_command_that_crashes_starts_again_without_its_old_children(family: Processes, tmp_path: Path) -> None:
    keeper, (command, child) = family.leader(), family.working()
    (tmp_path / "ready").unlink()
    command.kill()
    until((tmp_path / "ready").exists)
    assert not lives(child)
    assert family.leader() == keeper
    assert len(family.working()) == 2
    assert "ended with exit code -9" in family.log.read_text()


def test_a_number_that_another_program_has_by_now_is_left_alone(make: Callable[..., Processes], tmp_path: Path) -> None:
    somebody = psutil.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        processes = make("true")
        processes.log.parent.mkdir()
        (tmp_path / "services" / "tried.pid").write_text(json.dumps({"pid": somebody.pid}))
        assert processes.leader() is None
        assert not processes.stop()
        assert lives(somebody)
    finally:
        somebody.kill()
        somebody.wait()


def test_health_is_what_the_services_own_check_says(make: Callable[..., Processes]) -> None:
    processes = make("sleep", "60", health=("sh", "-c", 'test "$ANSWER" = yes'), environment={"ANSWER": "no"})
    processes.start()
    until(lambda: bool(processes.working()))
    assert not processes.healthy()
    processes.service.environment["ANSWER"] = "yes"
    assert processes.healthy()


def test_a_command_that_cannot_stay_is_not_healthy(make: Callable[..., Processes]) -> None:
    processes = make("false")
    processes.start()
    until(lambda: "ended with exit code 1" in processes.log.read_text())
    assert processes.leader() is not None
    assert not processes.healthy(), "whatever its check says"


def test_the_callers_own_settings_do_not_get_in(
    make: Callable[..., Processes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", "elsewhere")
    monkeypatch.setenv("RECOMMENDER_HOME", "elsewhere")
    monkeypatch.setenv("KEPT", "yes")
    processes = make("sh", "-c", "env > seen.new; mv seen.new seen; sleep 60", environment={"AIRFLOW_HOME": "here"})
    processes.start()
    until((tmp_path / "seen").exists)
    seen = (tmp_path / "seen").read_text().splitlines()
    assert {"AIRFLOW_HOME=here", "KEPT=yes"} <= set(seen)
    assert not [line for line in seen if "elsewhere" in line]


def test_the_last_starts_log_is_kept(make: Callable[..., Processes]) -> None:
    processes = make("sh", "-c", "echo started; sleep 60")
    for _ in range(2):
        processes.start()
        until(lambda: "started" in processes.log.read_text())
        processes.stop()
    assert "started" in processes.log.with_suffix(".before.log").read_text()
