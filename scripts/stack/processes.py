"""A service as processes of this machine: started apart from the caller, found again by anybody, stopped whole.

Each service is a session of its own, which everything that it starts belongs to, also when its first process is dead.
That one is the keeper, which starts the command again when it ends unasked.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from scripts.stack.compose import Service

#: Programs of the virtual environment, `airflow` among them.
BIN = Path(sys.executable).parent
KEEPER = Path(__file__).with_name("keeper.py")
#: Settings of another stack, or of the caller's own Airflow, must not reach a service.
_NOT_INHERITED = ("AIRFLOW", "RECOMMENDER_")
#: From asking a service to end until it is killed; Airflow's scheduler waits for its tasks to end.
GRACE_SECONDS = 20.0


class Processes:
    """The processes of one service.

    Args:
        service: What to run.
        home: The stack's folder; pid and log lie in its folder `services`.
    """

    def __init__(self, service: Service, home: Path) -> None:
        self.service = service
        self.log = home / "services" / f"{service.name}.log"
        self._pid = home / "services" / f"{service.name}.pid"
        self._started = home / "services" / f"{service.name}.started"

    def start(self) -> None:
        """Starts the command in the background, unless it runs; the last start's log is kept beside the new one.

        What a killed service has left must have been stopped: it would hold the ports.
        """
        if self.leader() is not None:
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".before.log"))
        with self.log.open("wb") as log:
            subprocess.run(
                [sys.executable, KEEPER, self._pid, *self.service.command],
                env=environment(self.service),
                cwd=self.service.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=True,
            )
        self._started.write_text(digest(self.service))

    def changed(self) -> bool:
        """Whether the service runs by another command or environment than it would start with now."""
        return self._started.exists() and self._started.read_text() != digest(self.service)

    def leader(self) -> psutil.Process | None:
        """The keeper, None where it has ended."""
        keeper = self._keeper()
        if keeper is None or not self._kept_by(_command(keeper)):
            return None
        try:
            return psutil.Process(keeper)
        except psutil.NoSuchProcess:
            return None

    def _keeper(self) -> int | None:
        """Number that the keeper had at the last start."""
        return int(json.loads(self._pid.read_text())["pid"]) if self._pid.exists() else None

    def _kept_by(self, command: list[str]) -> bool:
        """Whether this is the keeper's command: the time at which it was started moves when the clock is set."""
        return command[1:3] == [str(KEEPER), str(self._pid)]

    def all(self) -> list[psutil.Process]:
        """Every living process of the service, with its keeper."""
        keeper = self._keeper()
        if keeper is None:
            return []
        command = _command(keeper)
        if command and not self._kept_by(command):
            return []  # the number is another program's by now; it cannot be while members of the session live
        found = [process for process in psutil.process_iter() if _session(process.pid) == keeper]
        return [process for process in found if _lives(process)]

    def working(self) -> list[psutil.Process]:
        """Every living process of the service but its keeper; the command itself first."""
        leader = self.leader()
        keeper = None if leader is None else leader.pid
        others = [process for process in self.all() if process.pid != keeper]
        return sorted(others, key=lambda process: _parent(process) != keeper)

    def stop(self) -> bool:
        """Asks the service to end, and ends what does not; returns whether there was something to end."""
        members = self.all()
        leader = self.leader()
        if leader is not None:
            _signal([leader], signal.SIGTERM)  # it tells the command, and that its children
            _gone([leader], GRACE_SECONDS)
        self.kill()  # as what is left in a container when its command has ended
        self._pid.unlink(missing_ok=True)
        return bool(members)

    def kill(self) -> None:
        """SIGKILL to all of it at once, the keeper included: it stays dead."""
        while members := self.all():
            _signal(members, signal.SIGKILL)
            _gone(members, 5)

    def healthy(self) -> bool:
        """Whether the service runs and its health check passes."""
        if self.leader() is None or not self.working():
            return False
        try:
            checked = subprocess.run(
                self.service.health, env=environment(self.service), capture_output=True, timeout=60, check=False
            )
        except subprocess.TimeoutExpired:
            return False
        return checked.returncode == 0


def digest(service: Service) -> str:
    """Stands for what a service is started with; tells nobody the secrets in it."""
    parts = [service.command, sorted(service.environment.items()), str(service.folder)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def environment(service: Service) -> dict[str, str]:
    """The service's environment, over what of the caller's does not concern it."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
    return {**outside, "PATH": f"{BIN}:{os.environ['PATH']}", **service.environment}


def _command(pid: int) -> list[str]:
    """The command of a process; empty where it has ended, or is about to."""
    try:
        return psutil.Process(pid).cmdline()
    except psutil.NoSuchProcess:
        return []


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _parent(process: psutil.Process) -> int | None:
    try:
        return process.ppid()
    except psutil.NoSuchProcess:
        return None


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue  # that is what the signal was for


def _gone(processes: list[psutil.Process], seconds: float) -> None:
    """Waits until none of them lives, or the time is over."""
    deadline = time.monotonic() + seconds
    while any(map(_lives, processes)) and time.monotonic() < deadline:
        psutil.wait_procs([process for process in processes if _lives(process)], timeout=0.1)
