"""How fast the website reads: the statement of docs/table-contract.md through the view, by PostgreSQL's own pgbench.

    python -m benchmarks.reading [--users 200000] [--clients 1 4 16] [--seconds 2]

Publishes made-up lists, as many times as publications are kept, into an embedded database of its own: for a tenth of
the users first, then for all. Prepared statements over a socket of this machine, which pgbench shares with the server.
Beside them stand the same list straight from the active publication's table, and `select 1`, which is the way alone.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog

from benchmarks.alone import alone
from benchmarks.contract import list_statement
from benchmarks.publication import CUTOFF, prepare, run_folder
from recommender_job.config import load_config
from recommender_job.publishing.publish import publish
from recommender_job.ranking.recipe import Recipe
from recommender_job.runs import Run
from recommender_job.storage import embedded, partitions, schema
from recommender_job.storage.database import Database, plain_url

EXPERIENCES = 2_000
ROUNDS = 3
TABLE, NOTHING = "its table's index", "select 1"
#: What the view gives for a user, but its column `reason`, which is made as it is read.
_FROM_TABLE = """
    select rank, experience_id, experience_name, predicted_rating, source, publication_id
    from {table} where user_id = :user order by rank
"""
_FROM_VIEW = """
    select rank, experience_id, experience_name, predicted_rating, source, reason, publication_id
    from recommender.recommendations where user_id = :user order by rank
"""


@dataclass(frozen=True)
class Read:
    """Reads of some clients: how many a second, and the milliseconds of each, on average and at the 99th percentile."""

    per_second: float
    mean: float
    p99: float


def main() -> None:
    """Prints reads a second, latencies, and the shares of the references' speed; last, the statement's plan."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--users", type=int, default=200_000, help="users with a list of ten")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16], help="who read at once")
    parser.add_argument("--seconds", type=int, default=2, help="how long each reads, in each of the rounds")
    arguments = parser.parse_args()
    program = _pgbench()
    with tempfile.TemporaryDirectory() as home, open(os.devnull, "w") as nowhere:
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(nowhere))
        database = Database(embedded.start(Path(home)))
        try:
            schema.migrate(database)
            with database.transaction() as transaction:
                transaction.run("create role web login in role website_reader")
            for users in (arguments.users // 10, arguments.users):
                table = _publish(database, home, users)
                print(f"{users:,} users, {users * 10:,} rows; pgbench and the server share {os.cpu_count()} processors")
                for clients in arguments.clients:
                    _measure(program, database, Path(home), table, users, clients, arguments.seconds)
            with database.transaction() as transaction:
                told = transaction.rows(f"explain (analyze, timing off, summary off) {list_statement('42')}")
            print("the statement's plan, for a user with a list", *(line["QUERY PLAN"] for line in told), sep="\n  ")
        finally:
            embedded.stop(Path(home))


def _pgbench() -> Path:
    """The program of the embedded server, or else the system's."""
    own, other = embedded.programs() / "pgbench", shutil.which("pgbench")
    if own.exists():
        return own
    if other is None:
        sys.exit(f"There is no pgbench in {own.parent}, nor in PATH: install PostgreSQL's own (postgresql-contrib).")
    return Path(other)


def _publish(database: Database, home: str, users: int) -> str:
    """Publishes until all that are kept hold so many users; the active publication's table."""
    alone(prepare, home, users, EXPERIENCES)
    told = {"database_url": plain_url(database.url), "home": Path(home), "allow_older": True, "checks.min_overlap": 0}
    config = load_config(told)
    for number in range(config.keep_publications):
        run = Run(f"night-{users}-{number}", CUTOFF)
        summary = publish(config, run, run_folder(home), database, Recipe(members=()))
    table = partitions.partition_of(summary["publication_id"])
    with database.autocommit() as session:
        session.define("vacuum analyze {table}", {"table": table})  # as the server does by itself, some time later
    return table


def _measure(program: Path, database: Database, home: Path, table: str, users: int, clients: int, seconds: int) -> None:
    web, owner = plain_url(database.url.set(username="web")), plain_url(database.url)
    ways = {
        "this user's, or default": (list_statement(":user"), web),
        "this user's, by the view": (_FROM_VIEW, web),
        TABLE: (_FROM_TABLE.format(table=table), owner),
        NOTHING: ("select 1", web),
    }
    best: dict[str, Read] = {}
    for _ in range(ROUNDS):
        for name, (statement, url) in ways.items():
            script = home / "script.sql"
            # pgbench takes a blank line for nothing, and `;` at the end of a line for the end.
            script.write_text(f"\\set user random(0, {users - 1})\n{statement.strip().rstrip(';')};\n")
            found = _read(program, url, script, clients, seconds)
            if name not in best or found.per_second > best[name].per_second:
                best[name] = found
    for name, found in best.items():
        shares = [found.per_second / best[reference].per_second for reference in (TABLE, NOTHING)]
        print(
            f"  {clients:>3} clients  {name:<26}{found.per_second:>9,.0f} a second{found.mean:>8.3f} ms"
            f"{found.p99:>8.3f} ms (99 %){shares[0]:>6.0%} of its table's{shares[1]:>6.0%} of select 1's"
        )


def _read(program: Path, url: str, script: Path, clients: int, seconds: int) -> Read:
    threads = min(clients, os.cpu_count() or 1)
    with tempfile.TemporaryDirectory() as logs:
        options = ["--no-vacuum", "--protocol=prepared", f"--file={script}", "--log", f"--log-prefix={logs}/read"]
        amounts = [f"--client={clients}", f"--jobs={threads}", f"--time={seconds}"]
        done = subprocess.run([program, *options, *amounts, url], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"pgbench ended with exit code {done.returncode}: {done.stderr}")
        # client, transaction, microseconds that it took, script, and when
        taken = np.concatenate([np.loadtxt(log, usecols=2, ndmin=1) for log in Path(logs).iterdir()]) / 1000
    return Read(len(taken) / seconds, float(taken.mean()), float(np.quantile(taken, 0.99)))


if __name__ == "__main__":
    main()
