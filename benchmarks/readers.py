"""What readers notice of publishing: a quiet minute beside one with ten publications, two rollbacks and pruning.

    python -m benchmarks.readers [--seconds 60]

Eight processes read random users' lists without a pause, by the statement of docs/table-contract.md. The world is made
up, on a PostgreSQL of its own; two nights whose lists differ in every row are published in turns. Ends with exit code 1
when a reader met an error or a list that was not published, or when its slowest reads (99th percentile) took more than
three times as long as in the quiet minute.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import structlog

from benchmarks.contract import list_statement
from benchmarks.fire import Published, Readers, Reads
from recommender_job import nightly
from recommender_job.config import ENV_PREFIX, Config, load_config
from recommender_job.publishing.publications import rollback
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.importer import import_ratings
from recommender_job.ratings.sample import sample_ratings
from recommender_job.runs import Run
from recommender_job.storage import embedded, schema
from recommender_job.storage.database import Database, plain_url

READERS = 8
AIM = 3.0
STRANGERS = range(-20, 0)
CUTOFF = datetime(2024, 1, 1, tzinfo=UTC)
RUNS = (Run("one", CUTOFF), Run("other", CUTOFF))
#: Ten publications, of the one night and the other in turns; None is a rollback.
STEPS = (0, 1, 0, 1, None, 0, 1, 0, 1, None, 0, 1)
#: How good the lists are does not matter here.
SETTINGS = {
    "selection.mode": "never",
    "gate.max_rmse": 9,
    "gate.max_list_loss": 1,
    "gate.min_personal_lists": 0,
    "gate.min_distinct_lists": 0,
    "gate.max_exposure": 1,
}


def main() -> None:
    """Prints reads, errors and quantiles of both times, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long each of the two times lasts")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as home, open(os.devnull, "w") as nowhere:
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(nowhere))
        try:
            sys.exit(_measure(Path(home), seconds))
        finally:
            embedded.stop(Path(home))


def _measure(home: Path, seconds: float) -> int:
    config, web = _two_nights(home)
    published, statement = Published(), list_statement("%(user_id)s")
    published.note(web, _publish(config, 0))
    (lists,) = published.lists.values()
    users = [*lists, *STRANGERS]
    print(f"{len(lists):,} users, {READERS} readers, {seconds:.0f} s each, load {os.getloadavg()[0]:.1f} at the start")
    with Readers(web, statement, users, READERS, seed=1) as quiet:
        time.sleep(seconds)
    with Readers(web, statement, users, READERS, seed=2) as disturbed:
        taken = _disturb(config, web, published, seconds)
    wrong = published.faults(quiet.reads.seen | disturbed.reads.seen)
    _tell("quiet", quiet.reads)
    _tell("under fire", disturbed.reads)
    ratio = disturbed.reads.quantile(0.99) / quiet.reads.quantile(0.99)
    print(f"  99th percentile under fire / quiet: {ratio:.2f} (aim: {AIM:.0f}); publishing took {taken:.1f} s of it")
    for line in [*quiet.reads.errors, *disturbed.reads.errors, *wrong][:10]:
        print(f"  ✘ {line}")
    print(f"  {len(wrong)} lists that were not published")
    return int(bool(quiet.reads.errors or disturbed.reads.errors or wrong or ratio > AIM))


def _disturb(config: Config, web: str, published: Published, seconds: float) -> float:
    """Publishes and rolls back, evenly spread; the seconds that it was at work."""
    started, taken = time.monotonic(), 0.0
    for number, step in enumerate(STEPS):
        begun = time.monotonic()
        publication = _publish(config, step) if step is not None else None
        if step is None:
            rollback(Database.of(config))
        taken += time.monotonic() - begun
        if publication is not None:
            published.note(web, publication)
        time.sleep(max(0.0, started + (number + 1) * seconds / len(STEPS) - time.monotonic()))
    return taken


def _publish(config: Config, which: int) -> int:
    return int(nightly.publish(config, RUNS[which])["publication_id"])


def _two_nights(home: Path) -> tuple[Config, str]:
    """Runs two nights between which every experience is renamed; the configuration, and the URL of the website."""
    database = Database(embedded.start(home))
    schema.migrate(database)
    for variable in [name for name in os.environ if name.startswith(ENV_PREFIX)]:
        del os.environ[variable]
    config = load_config({"home": home, "database_url": plain_url(database.url), **SETTINGS})
    sample_ratings(2400, 240, 1).to_csv(home / "sample.csv", index=False)
    import_ratings(database, home / "sample.csv", Columns(), now=CUTOFF, scale=(1, 5))
    for run in RUNS:
        nightly.run_night(config, run)
        with database.transaction() as transaction:
            transaction.run("update website.experiences set name = 'Otra: ' || name")
    with database.transaction() as transaction:
        transaction.run("create role web login in role website_reader")
    return config, plain_url(database.url.set(username="web"))


def _tell(when: str, reads: Reads) -> None:
    p50, p99 = (reads.quantile(share) * 1000 for share in (0.5, 0.99))
    print(
        f"  {when:<12}{len(reads.seconds):>10,} reads{len(reads.errors):>5} errors"
        f"{p50:>9.2f} ms median{p99:>9.2f} ms 99th percentile"
    )


if __name__ == "__main__":
    main()
