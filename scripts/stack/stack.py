"""The whole stack on this machine: started in order, waited for, stopped, and single services of it killed."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from fcntl import LOCK_EX, flock
from pathlib import Path

import psutil

from recommender_job.errors import ConfigurationError, TransientError
from scripts.stack import secrets, settings, workers
from scripts.stack.compose import LOCALHOST, ROOT
from scripts.stack.processes import Processes, environment
from scripts.stack.server import Server

SERVER, INIT = "postgres", "init"
HEALTHY_SECONDS = 240.0


class Stack:
    """The services of `docker-compose.yml` on this machine.

    Args:
        home: Folder of data, logs and pids.
        env_file: The file with the secrets.
        variables: Variables of the compose file, over those of `env_file`, such as `AIRFLOW_PORT`.

    Raises:
        ConfigurationError: There is no `env_file`, it lacks a secret, `settings.env` cannot be used, or workers are
            asked for that could not work.
    """

    def __init__(self, home: Path, env_file: Path = ROOT / ".env", variables: Mapping[str, str] | None = None) -> None:
        self.home = home.resolve()
        self.home.mkdir(parents=True, exist_ok=True)
        values = {**secrets.read(env_file), **(variables or {})}
        settings.ensure(values)
        values.setdefault("AIRFLOW_URL", f"http://localhost:{values.get('AIRFLOW_PORT') or 8080}")
        self.url = values["AIRFLOW_URL"]
        described = workers.native(values, self.home)
        self.services: dict[str, Processes | Server] = {
            name: Server(service, self.home) if name == SERVER else Processes(service, self.home)
            for name, service in described.items()
        }

    def start(self) -> None:
        """Starts what does not run, in the order of what needs what, and waits until all of it is healthy.

        What runs with another command or environment than the file and the settings now say is started anew.

        Raises:
            ConfigurationError: A port is taken.
            TransientError: A service ended or did not become healthy; names its log.
        """
        with self._alone():
            for name, service in self.services.items():
                if service.leader() is None or service.changed():
                    service.stop()  # what it has left where it was killed, which would hold its ports
                    self._refuse_taken_ports(name)
            for name, service in self.services.items():
                for folder in service.service.folders:
                    folder.mkdir(parents=True, exist_ok=True)
                for other, condition in service.service.needs.items():
                    if condition == "service_healthy":
                        self.wait_healthy(other)
                if name == INIT:
                    self.run(INIT)
                else:
                    service.start()
            for name in self.running():
                self.wait_healthy(name)

    def stop(self) -> list[str]:
        """Stops everything, also what a crash left; the data stay. Returns the services that ran, or left something."""
        ended: list[str] = []
        with self._alone(), ThreadPoolExecutor() as together:
            # The database last: the others write to it until they have ended.
            for group in ([name for name in self.services if name != SERVER], [SERVER]):
                parts = [self.services[name] for name in group if name in self.services]
                ended += itertools.compress(group, together.map(lambda part: part.stop(), parts))
        return ended

    def restart(self, name: str) -> None:
        """Stops one service, or finds it dead, starts it and waits until it is healthy."""
        self.services[name].stop()
        self.services[name].start()
        self.wait_healthy(name)

    def kill(self, name: str) -> None:
        """Kills every process of one service at once, so that it stays dead until `restart`.

        A process of `processes` that is killed is a crash instead: the service starts again by itself (not `postgres`).
        """
        self.services[name].kill()

    def processes(self, name: str) -> list[psutil.Process]:
        """Every living process of a service, the command itself first; the scheduler's tasks are among its own."""
        return self.services[name].working()

    def environment(self, name: str) -> dict[str, str]:
        """The environment that a service runs in, secrets included."""
        return environment(self.services[name].service)

    def log(self, name: str) -> Path:
        """The file that a service's output goes to."""
        return self.services[name].log

    def running(self) -> list[str]:
        """The services that run for good: all but `init`."""
        return [name for name in self.services if name != INIT]

    def healthy(self, name: str) -> bool:
        """Whether a service runs and its own health check passes."""
        return self.services[name].healthy()

    def wait_healthy(self, name: str, seconds: float = HEALTHY_SECONDS) -> None:
        """Waits for a service.

        Raises:
            TransientError: It ended, or the time is over; names the log.
        """
        deadline = time.monotonic() + seconds
        while not self.healthy(name):
            ended = self.services[name].leader() is None
            if ended or time.monotonic() > deadline:
                raise TransientError(
                    f"The service {name} " + ("has ended." if ended else f"is not healthy after {seconds:.0f} s."),
                    action=f"Read the end of {self.log(name)}, mend what it says, and start again.",
                )
            time.sleep(0.2)

    def run(self, name: str, *command: str) -> None:
        """Runs a command, by default a service's own, in a service's environment, and waits for it to end.

        Raises:
            ConfigurationError: Its exit code is not 0; where it was the service's own command, names the log.
        """
        service = self.services[name].service
        log = self.home / "services" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        # What somebody runs by hand speaks to them; the service's own log stays as it is.
        with nullcontext() if command else log.open("wb") as output:
            done = subprocess.run(
                command or service.command,
                env=environment(service),
                cwd=service.folder,
                stdout=output,
                stderr=output,
                check=False,
            )
        if done.returncode:
            where = "what it printed" if command else f"the end of {log}"
            raise ConfigurationError(
                f"{' '.join(command) or f'The service {name}'} ended with exit code {done.returncode}.",
                action=f"Read {where}, mend what it says, and start again.",
            )

    def _refuse_taken_ports(self, name: str) -> None:
        for port, setting in self.services[name].service.ports.items():
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((LOCALHOST, port))
                except OSError as error:
                    raise ConfigurationError(
                        f"Port {port} of {LOCALHOST}, which {name} needs, is taken ({error.strerror}).",
                        action=f"Stop what listens there, or set {setting} to another port.",
                    ) from None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.home / "lock").open("w") as lock:
            os.set_inheritable(lock.fileno(), False)
            flock(lock, LOCK_EX)  # a second start waits for the first, and then finds everything there
            yield
