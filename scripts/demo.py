"""A whole night on this machine: embedded PostgreSQL, ratings, the real DAG in Airflow, and what the website reads.

Needs only the standard library and the virtual environment that `make setup` builds. Running it again runs another
night on the same database; ratings that are already there are not loaded twice.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
DAG = "nightly_recommendations"
EXAMPLE_USERS = (42, 1080)
EXPECTED_TASKS = {
    "extract",
    "clean",
    "train",
    "evaluate",
    "gate",
    "approve",
    "refit",
    "plan_shards",
    "score",
    "publish",
    "announce",
    "report",
}


def main() -> None:
    """Runs the demo; ends with exit code 1 when anything failed."""
    started = time.perf_counter()
    home = Path(os.environ.get("RECOMMENDER_HOME", ROOT / "var")).resolve()
    own_file = os.environ.get("RATINGS_CSV")
    set_aside_other_world(home, "file" if own_file else "sample")
    os.environ["RECOMMENDER_HOME"] = str(home)

    say("Starting the embedded PostgreSQL and migrating")
    job("db", "start")
    job("migrate")
    if own_file:
        ratings = Path(own_file)
    else:
        ratings = home / "sample.csv"
        job("sample-ratings", str(ratings))
    say(f"Loading {ratings}")
    print("  " + ", ".join(f"{key} {value:,}" for key, value in job("import-ratings", str(ratings)).items()))

    run_dag(home)

    live = job("status")
    print()
    print(text("report", live["run_id"]))
    for user in example_users():
        print(text("show", str(user)))
    print(f"Everything took {time.perf_counter() - started:.0f} s. Look further (the database keeps running):")
    prefix = "" if home == ROOT / "var" else f"RECOMMENDER_HOME={home} "
    for command in ("show USER", "status", "publications list", "db stop"):
        print(f"  {prefix}.venv/bin/recommender-job {command}")


def run_dag(home: Path) -> None:
    """Runs the DAG in Airflow and insists that every task succeeded."""
    airflow_home = home / "airflow"
    metadata = job("db", "url", "--database", "airflow")["url"].replace("postgresql:", "postgresql+psycopg2:", 1)
    os.environ.update(
        AIRFLOW_HOME=str(airflow_home),
        AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "dags"),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=metadata,
    )
    say("Preparing Airflow")
    airflow("db", "migrate")
    due = datetime.now(UTC).isoformat()
    log = airflow_home / "demo.log"
    say(f"Running the DAG {DAG} (full log: {log})")
    started = time.perf_counter()
    with log.open("w") as copy:
        process = subprocess.Popen(
            [BIN / "airflow", "dags", "test", DAG, due], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for line in process.stdout or ():
            copy.write(line)
            if done := re.search(r"stage finished.* seconds=([\d.]+).* stage=([\w-]+)", line):
                print(f"  {done[2]:<14}{float(done[1]):>7.2f} s")
        code = process.wait()
    states = json.loads(airflow("tasks", "states-for-dag-run", DAG, due, "--output", "json"))
    failed = sorted({row["task_id"] for row in states if row["state"] != "success"})
    missing = sorted(EXPECTED_TASKS - {row["task_id"] for row in states})
    if code or failed or missing:
        fail(f"The DAG ended with exit code {code}; not successful: {failed + missing or 'the run'}. Read {log}.")
    print(
        f"  all {len(states)} tasks succeeded; the DAG took {time.perf_counter() - started:.0f} s with Airflow's start"
    )


def example_users() -> list[int]:
    """Two users with a list of their own, read as the website would."""
    import psycopg2

    with psycopg2.connect(job("db", "url")["url"]) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select user_id from recommender.recommendations where rank = 1"
            " order by user_id = any(%s) desc, user_id limit 2",
            (list(EXAMPLE_USERS),),
        )
        return [user for (user,) in cursor.fetchall()]


def set_aside_other_world(home: Path, world: str) -> None:
    """Keeps made-up ratings and real ones apart: a home that holds the other kind is moved aside, not deleted.

    The stack of `make up-local`, which may be running in there, stays.
    """
    marker = home / "demo-world"
    if home.exists() and marker.exists() and marker.read_text() != world:
        aside = home.with_name(f"{home.name}.{marker.read_text()}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
        say(f"{home} holds the ratings of another demo; moving it to {aside}")
        subprocess.run(
            [BIN / "recommender-job", "db", "stop"], env={**os.environ, "RECOMMENDER_HOME": str(home)}, check=True
        )
        aside.mkdir()
        for child in sorted(home.iterdir(), key=lambda one: one == marker):  # the marker last: cut short, it goes on
            if child.name != "stack":
                child.rename(aside / child.name)
    home.mkdir(parents=True, exist_ok=True)
    marker.write_text(world)


def job(*arguments: str) -> dict[str, object]:
    """Runs `recommender-job … --json`."""
    return json.loads(call("recommender-job", *arguments, "--json"))


def text(*arguments: str) -> str:
    """Runs `recommender-job …` for people."""
    return call("recommender-job", *arguments)


def airflow(*arguments: str) -> str:
    """Runs `airflow …`."""
    return call("airflow", *arguments)


def call(program: str, *arguments: str) -> str:
    """Runs a program of the virtual environment; what it printed on stdout."""
    done = subprocess.run([BIN / program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        fail(f"{program} {' '.join(arguments)} ended with exit code {done.returncode}:\n{done.stderr or done.stdout}")
    return done.stdout


def say(line: str) -> None:
    """Prints what happens now."""
    print(f"• {line}", flush=True)


def fail(line: str) -> None:
    """Ends the demo."""
    sys.exit(f"✘ {line}")


if __name__ == "__main__":
    main()
