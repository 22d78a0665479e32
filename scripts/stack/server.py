"""The embedded PostgreSQL in place of the service `postgres`: on a port of this machine, with passwords."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

import psutil

from recommender_job.errors import DatabaseAway
from recommender_job.storage import embedded
from recommender_job.storage.accounts import ensure_password
from recommender_job.storage.database import Database
from scripts.stack.compose import LOCALHOST, Service

#: Nobody comes in without a password; there is no socket, which would know its owner.
_ACCESS = f"host all all {LOCALHOST}/32 scram-sha-256\n"


class Server:
    """The database server of one stack. Does what `Processes` does, for a server that its own tools start and stop.

    Args:
        service: The service `postgres`.
        home: The stack's folder; the data lie in its folder `postgres`.
    """

    def __init__(self, service: Service, home: Path) -> None:
        self.service = service
        self.home = home
        self.data = (home / "postgres").resolve()
        self.log = self.data / "log"

    def start(self) -> None:
        """Starts the server, and makes its files where there are none.

        Raises:
            DatabaseAway: It does not come up; names its log.
        """
        if self.leader() is not None:
            return
        access = self.data / "pg_hba.conf"
        if not access.exists() or access.read_text() != _ACCESS:
            administrator = Database(embedded.start(self.home))
            with administrator.transaction() as transaction:
                ensure_password(transaction, "postgres", self.service.environment["POSTGRES_PASSWORD"])
            embedded.stop(self.home)
            access.write_text(_ACCESS)
        port = self.service.environment["PGPORT"]
        self._control("start", "-o", f"-h {LOCALHOST} -p {port} -k ''", "-l", str(self.log), "-w")

    def leader(self) -> psutil.Process | None:
        """The postmaster, None where it does not run."""
        try:
            process = psutil.Process(int((self.data / "postmaster.pid").read_text().split("\n", 1)[0]))
            # After a crash the number may be another program's by now, or that of another server.
            ours = process.name().startswith("postgres") and Path(process.cwd()) == self.data
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
            return None
        return process if ours and process.status() != psutil.STATUS_ZOMBIE else None

    def changed(self) -> bool:
        """Whether the server runs on another port than it would start on now."""
        if self.leader() is None:
            return False
        port = (self.data / "postmaster.pid").read_text().splitlines()[3]
        return port.strip() != self.service.environment["PGPORT"]

    def all(self) -> list[psutil.Process]:
        """The postmaster and its children."""
        leader = self.leader()
        return [] if leader is None else [leader, *leader.children(recursive=True)]

    def working(self) -> list[psutil.Process]:
        """The same: nobody keeps it."""
        return self.all()

    def stop(self) -> bool:
        """Disconnects everybody and ends the server; returns whether there was one."""
        if self.leader() is None:
            return False
        self._control("stop", "-m", "fast", "-w")
        return True

    def kill(self) -> None:
        """SIGKILL to all of it at once."""
        members = self.all()
        for process in members:
            with contextlib.suppress(psutil.NoSuchProcess):  # that is what was wanted
                process.kill()
        psutil.wait_procs(members, timeout=10)

    def healthy(self) -> bool:
        """Whether the server answers, by the service's own health check."""
        program, *arguments = self.service.health
        return (
            subprocess.run([embedded.programs() / program, *arguments], capture_output=True, check=False).returncode
            == 0
        )

    def _control(self, what: str, *arguments: str) -> None:
        user = "pgserver" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
        done = subprocess.run(
            [embedded.programs() / "pg_ctl", what, "-D", self.data, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a pipe would stay open as long as the server
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            user=user,
            cwd="/",
            check=False,
        )
        if done.returncode:
            raise DatabaseAway(
                f"The embedded PostgreSQL in {self.data} does not {what}.",
                action=f"Read the end of {self.log}; if its port is taken, set POSTGRES_PORT.",
            )
