"""What a night costs beside its work: tasks in a real Airflow, and the same stages in a process that has all loaded.

    python -m benchmarks.overhead [--nights 2]

Runs the stack of docker-compose.yml, without Docker, on RATINGS_CSV or on a made-up world. The last night counts: the
first one of a new stack also loads what all later ones find. The same nights run in one process, where the last one's
stages are the work alone; and once more by `recommender-job run`, the cheapest way to have a night.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from benchmarks.alone import alone
from benchmarks.live_night import Night, airflow
from recommender_job import nightly
from recommender_job.config import ENV_PREFIX, load_config
from recommender_job.isolation import in_child
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.importer import import_ratings
from recommender_job.ratings.sample import sample_ratings
from recommender_job.runs import Run
from recommender_job.storage import embedded, schema
from recommender_job.storage.database import Database, plain_url

BIN = Path(sys.executable).parent
LOADED = {
    "Python alone": "pass",
    "what every stage imports": "import recommender_job.nightly",
    "TensorFlow": "import recommender_job.ranking.tensorflow",
}
ROUNDS = 5
#: Seconds that a night of as many users as the first ones may take in Airflow.
MOST = 60


def main() -> None:
    """Prints a line for each task, what the parts come to, and what single ones of them cost by themselves."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nights", type=int, default=2, help="nights, of which the last one counts")
    nights = parser.parse_args().nights
    given = os.environ.get("RATINGS_CSV")
    for variable in [name for name in os.environ if name.startswith(ENV_PREFIX)]:
        del os.environ[variable]
    with tempfile.TemporaryDirectory() as home:
        ratings = Path(given).resolve() if given else Path(home) / "sample.csv"
        if not given:
            sample_ratings(2400, 240, 1).to_csv(ratings, index=False)
        stack, one = Path(home) / "stack", Path(home) / "one"
        stack.mkdir()
        with airflow(stack, ratings) as live:
            night = [live.night() for _ in range(nights)][-1]
        try:
            own = alone(_in_one_process, str(one), str(ratings), nights).result
            by_command = _by_command(one)
        finally:
            embedded.stop(one)
    print(f"{given or 'a made-up world'}, night {nights}, in seconds")
    _tell(night, own["stages"])
    print(f"the same night in one process that has all loaded {own['night']:.1f} s, by `recommender-job run`", end=" ")
    print(f"{by_command:.1f} s; in Airflow {night.seconds:.1f} s, {night.seconds / by_command:.2f} times that", end=" ")
    print(f"and {night.seconds / MOST:.0%} of the {MOST} s that a night of the first users may take")
    _tell_parts(night)


def _in_one_process(home: str, ratings: str, nights: int) -> dict[str, Any]:
    """Seconds of each stage of the last night, and of that night."""
    with open(os.devnull, "w") as nowhere:
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(nowhere))
        database = Database(embedded.start(Path(home)))
        schema.migrate(database)
        config = load_config({"home": Path(home), "database_url": plain_url(database.url)})
        import_ratings(database, Path(ratings), Columns(), now=datetime.now(UTC), scale=(1, 5))
        for _ in range(nights):
            run, started = Run.at(datetime.now(UTC)), time.perf_counter()
            stages = nightly.run_night(config, run)["stages"]
            seconds = time.perf_counter() - started
        report = nightly.report(config, run)  # not among the stages that a night's result counts
    shards = [stage["seconds"] for name, stage in stages.items() if name.startswith("score-")]
    found = {name: stage["seconds"] for name, stage in stages.items()}
    return {"stages": {**found, "score": max(shards), "report": report["seconds"]}, "night": seconds}


def _by_command(home: Path) -> float:
    started = time.perf_counter()
    subprocess.run(
        [BIN / "recommender-job", "run", "--json"],
        env={**os.environ, "RECOMMENDER_HOME": str(home)},
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - started


def _tell(night: Night, works: dict[str, float]) -> None:
    names = ("waiting", "starting", "preparing", "loading", "work", "ending", "all")
    print(f"  {'task':<14}" + "".join(f"{name:>10}" for name in names))
    sums = dict.fromkeys(names, 0.0)
    for task in night.tasks:
        work = works.get(task.name, 0.0)
        spent = (task.waiting, task.starting, task.preparing, (task.stage or 0.0) - work, work, task.ending, task.whole)
        print(f"  {task.name:<14}" + "".join(f"{seconds:>10.2f}" for seconds in spent))
        sums = {name: sums[name] + seconds for name, seconds in zip(names, spent, strict=True)}
    rest = night.seconds - sums["all"]
    print(f"  {'until it ended':<14}{rest:>10.2f}{'':>50}{rest:>10.2f}")
    sums["waiting"] += rest
    sums["all"] += rest
    print(f"  {'together':<14}" + "".join(f"{sums[name]:>10.2f}" for name in names))
    print(f"  {'of the night':<14}" + "".join(f"{sums[name] / sums['all']:>10.0%}" for name in names))


def _tell_parts(night: Night) -> None:
    parsing = sorted(task.parsing for task in night.tasks)[len(night.tasks) // 2]
    print("what parts cost by themselves, in seconds; processes as the best of", ROUNDS)
    print(f"  {'parsing the DAG in a task':<28}{parsing:>8.3f}")
    print(f"  {'a child that does nothing':<28}{min(_timed(in_child, int) for _ in range(ROUNDS)):>8.3f}")
    for label, code in LOADED.items():
        seconds = min(_timed(subprocess.run, [sys.executable, "-c", code], check=True) for _ in range(ROUNDS))
        print(f"  {label:<28}{seconds:>8.3f}")


def _timed(work: Any, *arguments: Any, **named: Any) -> float:
    started = time.perf_counter()
    work(*arguments, **named)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
