"""Nights that can be killed at a chosen moment, and what must not be left of them."""

from __future__ import annotations

import json
import math
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from recommender_job.runs import Run
from recommender_job.storage.database import Database

ROOT = Path(__file__).resolve().parents[2]
#: More than a night takes on the slowest machine.
PATIENCE = 120.0

_TABLES = """
    select c.relname as name, i.inhdetachpending as pending, p.publication_id is not null as known
    from pg_class as c
    left join pg_inherits as i on c.oid = i.inhrelid
    left join recommender.publication as p on p.publication_id = substring(c.relname from '[0-9]+$')::bigint
    where c.relnamespace = 'recommender'::regnamespace and c.relkind = 'r' and c.relname ~ '^recommendation_[0-9]+$'
"""
_WITHOUT_TABLE = """
    select publication_id from recommender.publication
    where to_regclass('recommender.recommendation_' || publication_id) is null
"""
_NEVER_ACTIVE = "select publication_id from recommender.publication where published_at is null"
_SESSIONS = """
    select pid, state, query from pg_stat_activity
    where datname = current_database() and application_name = 'recommender-job' and pid <> pg_backend_pid()
"""
_LOCKS = """
    select l.pid, l.granted from pg_locks as l inner join pg_database as d on l.database = d.oid
    where l.locktype = 'advisory' and d.datname = current_database()
"""


@dataclass
class Night:
    """What became of a night."""

    #: When each stage began and ended, by the system's monotonic clock; publish's pruning is a stage of its own here.
    began: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    exit: int | None = None
    error: str = ""
    kinds: tuple[str, ...] = ()
    #: Whether it was struck before the chosen stage had ended.
    hit: bool = False

    @property
    def seconds(self) -> dict[str, float]:
        """How long each stage took."""
        return {stage: end - self.began[stage] for stage, end in self.ended.items()}

    @property
    def went_well(self) -> bool:
        return self.exit == 0 and not self.error


class Nights:
    """Runs nights in children of `tests.e2e.forks`.

    Args:
        home: Where its log and the nights' temporary folders lie.
        settings: Of every night.
    """

    def __init__(self, home: Path, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.scratch = home / "tmp"
        self.scratch.mkdir()
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        with (home / "nights.log").open("w") as log:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "tests.e2e.forks"],
                cwd=ROOT,
                env={name: value for name, value in os.environ.items() if not name.startswith("RECOMMENDER_")},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._orders: IO[str] = self._server.stdin
        self._events_from: IO[str] = self._server.stdout
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        assert "ready" in self._next()

    def close(self) -> None:
        self._orders.close()
        self._server.wait(PATIENCE)
        self._listener.join(PATIENCE)
        self._events_from.close()

    def run(
        self,
        run: Run,
        stage: str = "",
        after: float = 0.0,
        strike: Callable[[int], None] | None = None,
        *,
        begin: str = "",
    ) -> Night:
        """Runs a night to its end, whatever that is.

        Args:
            run: The night.
            stage: The stage in which to strike.
            after: Seconds after its begin.
            strike: What to do then, given a handle of the night's process.
            begin: The stage to begin at, where those before it have run already; empty: the whole night.
        """
        self._order(run, begin)
        night, handle, struck = Night(), -1, None
        while night.exit is None:
            event = self._next()
            if "pid" in event:
                handle = os.pidfd_open(event["pid"])
            if "error" in event:
                night.error, night.kinds = event["error"], tuple(event["kinds"])
            night.exit = event.get("exit")
            if event.get("begins"):
                night.began[event["stage"]] = event["at"]
                if event["stage"] == "prune":
                    night.ended["publish"] = event["at"]
                if event["stage"] == stage and strike:
                    time.sleep(max(0.0, event["at"] + after - time.monotonic()))  # the chosen moment
                    struck = time.monotonic()
                    strike(handle)
            elif "stage" in event:
                night.ended.setdefault(event["stage"], event["at"])
        os.close(handle)
        night.hit = struck is not None and struck < night.ended.get(stage, math.inf)
        return night

    def _order(self, run: Run, begin: str) -> None:
        order = {"run_id": run.run_id, "cutoff": run.cutoff.isoformat(), "scratch": str(self.scratch), "begin": begin}
        self._orders.write(json.dumps({"settings": self.settings, **order}) + "\n")
        self._orders.flush()

    def _listen(self) -> None:
        for line in self._events_from:
            self._events.put(json.loads(line))
        self._events.put({"closed": True})

    def _next(self) -> dict[str, Any]:
        event = self._events.get(timeout=PATIENCE)
        assert "closed" not in event, "the process that runs the nights has died; see nights.log"
        return event


def files_left(scratch: Path, run_folder: Path) -> list[str]:
    """Temporary files."""
    return sorted(str(path) for path in [*scratch.iterdir(), *run_folder.rglob(".*")])


def kill(handle: int) -> None:
    """Ends a night's process at once, unless it has ended."""
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        return


def wait_until_alone(database: Database) -> None:
    """Waits until the server has noticed that a night's process is gone."""
    deadline = time.monotonic() + PATIENCE
    while sessions := _rows(database, _SESSIONS):
        assert time.monotonic() < deadline, sessions
        time.sleep(0.01)


def leftovers(database: Database) -> list[str]:
    """What is in the database and is of no use to anybody."""
    found = [f"advisory lock {row}" for row in _rows(database, _LOCKS)]
    found += [f"publication {row['publication_id']} without rows" for row in _rows(database, _WITHOUT_TABLE)]
    found += [f"publication {row['publication_id']} never switched to" for row in _rows(database, _NEVER_ACTIVE)]
    for row in _rows(database, _TABLES):
        if not row["known"]:
            found.append(f"{row['name']} of no publication")
        elif row["pending"] is not False:
            found.append(f"{row['name']} of a publication, not attached")
    return found


def _rows(database: Database, sql: str) -> list[dict[str, Any]]:
    with database.transaction() as transaction:
        return transaction.rows(sql)
