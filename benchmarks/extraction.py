"""How fast ratings are extracted, and in how much memory: a full read, then a night on which one in a hundred changed.

    python -m benchmarks.extraction [--rows 25000000]

Fills an embedded database of its own with made-up ratings (about 250 bytes of disk for each) and drops it at the end.
Each measurement runs in a process of its own, and the best of three counts. Beside it stands the bare COPY of the same
query to /dev/null; `COPY to Parquet` is the reading alone: checked rows in a file, neither sorted nor merged.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.alone import Cost, alone
from recommender_job.config import load_config
from recommender_job.ratings.extract import extract
from recommender_job.runs import Run
from recommender_job.storage import embedded, schema
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database, Transaction, plain_url
from recommender_job.storage.paths import sql_folder
from recommender_job.storage.source import spool_source
from recommender_job.tables import SOURCE_RATINGS

FIRST, SECOND = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)
EXPERIENCES = 3000
#: Ratings of a user, on average.
EACH = 25
#: Rows that pandas reads: it would take minutes for all.
SAMPLE = 500_000
ROUNDS = 3

WITHOUT_INDEXES = """
    alter table website.ratings drop constraint ratings_pkey, drop constraint ratings_user_id_fkey,
        drop constraint ratings_experience_id_fkey;
    drop index website.ratings_updated_at, website.ratings_rated_at
"""
WITH_INDEXES = """
    alter table website.ratings add primary key (user_id, experience_id, rated_at, occurrence);
    create index ratings_updated_at on website.ratings (updated_at);
    create index ratings_rated_at on website.ratings (rated_at)
"""
_RATINGS = """
    insert into website.ratings (user_id, experience_id, rated_at, rating, updated_at)
    select
        1 + abs(hashint8(n)::bigint) % :users, 1 + abs(hashint8(-n)::bigint) % :experiences, moment,
        1 + abs(hashint8(n * 7)::bigint) % 5, moment
    from (
        select n, timestamptz '2023-01-01 00:00+00' + n * (interval '300 days' / :rows) as moment
        from generate_series(1, :rows) as n
    ) as drawn
"""
#: Of a thousand users, six correct their ratings, two delete them and two rate everything again.
_CHANGES = [
    "update website.ratings set rating = 6 - rating, updated_at = now() where user_id % 1000 < 6",
    "delete from website.ratings where user_id % 1000 in (6, 7)",
    "insert into website.ratings (user_id, experience_id, rated_at, rating)"
    " select user_id, experience_id, rated_at + interval '1 hour', rating"
    " from website.ratings where user_id % 1000 in (8, 9)",
]


def main() -> None:
    """Prints rows, seconds, rows a second and the peak of the memory, beside those of the bare COPY."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=25_000_000, help="ratings at the source")
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as home:
        url = plain_url(embedded.start(Path(home)))
        try:
            _fill(_database(url), rows)
            _night("everything is read", url, FIRST, home)
            with _database(url).transaction() as transaction:
                for statement in _CHANGES:
                    transaction.run(statement)
            _night("one in a hundred has changed", url, SECOND, home)
        finally:
            embedded.stop(Path(home))


def _fill(database: Database, rows: int) -> None:
    schema.migrate(database)
    with database.transaction() as transaction:
        transaction.run(WITHOUT_INDEXES)  # they are made faster at once
        transaction.run("insert into website.users select generate_series(1, :users)", users=max(1, rows // EACH))
        transaction.run(
            "insert into website.experiences (name, name_key) select n::text, n::text"
            " from generate_series(1, :experiences) as n",
            experiences=EXPERIENCES,
        )
        transaction.run(_RATINGS, rows=rows, users=max(1, rows // EACH), experiences=EXPERIENCES)
        transaction.run(WITH_INDEXES)
    with database.autocommit() as session:
        session.run("vacuum analyze website.ratings")
        session.run("checkpoint")


def _night(label: str, url: str, cutoff: datetime, home: str) -> None:
    print(label)
    ways: dict[str, tuple[Callable[..., dict[str, Any]], Any]] = {
        "bare COPY, CSV": (_copy, False),
        "bare COPY, binary": (_copy, True),
        "COPY to Parquet": (_spool, None),
        "extract": (_extract, None),
        "pandas.read_sql": (_read_sql, None),
    }
    best: dict[str, Cost] = {}
    for _ in range(ROUNDS):
        for name, (work, how) in ways.items():
            found = alone(work, url, cutoff, home, how)
            if name not in best or found.seconds < best[name].seconds:
                best[name] = found
    speed = {name: found.result["rows"] / found.seconds for name, found in best.items()}
    for name, found in best.items():
        shares = [speed[name] / speed[bare] for bare in list(ways)[:2]]
        print(
            f"  {name:<18}{found.result['rows']:>12,} rows{found.seconds:>8.2f} s{speed[name]:>12,.0f} rows/s"
            f"{found.held:>8,} MiB{shares[0]:>7.0%} of COPY in CSV{shares[1]:>6.0%} in binary"
        )
    print(f"  {best['extract'].result['summary']}")


def _copy(url: str, cutoff: datetime, home: str, binary: bool) -> dict[str, Any]:
    """The rows that the extract will ask for, as they are, to nowhere."""
    query = (sql_folder() / "source" / "ratings.sql").read_text("utf-8")
    with _database(url).transaction() as transaction, open("/dev/null", "wb") as sink:
        return {"rows": transaction.copy_out(query, _bounds(transaction, cutoff), sink, binary=binary)}


def _spool(url: str, cutoff: datetime, home: str, _how: None) -> dict[str, Any]:
    config, file = load_config({"database_url": url}), Path(home) / "spool.parquet"
    with _database(url).transaction() as transaction:
        bounds = _bounds(transaction, cutoff)
        return {"rows": spool_source(config, transaction, "ratings", SOURCE_RATINGS, file, **bounds)}


def _read_sql(url: str, cutoff: datetime, home: str, _how: None) -> dict[str, Any]:
    query = "select user_id, experience_id, rating, rated_at, updated_at from website.ratings limit %(rows)s"
    with _database(url).engine.connect() as connection:
        return {"rows": len(pd.read_sql_query(query, connection, params={"rows": SAMPLE}))}


def _extract(url: str, cutoff: datetime, home: str, _how: None) -> dict[str, Any]:
    config, run = load_config({"database_url": url, "home": Path(home)}), Run.at(cutoff)
    summary = extract(config, run, RunFolder(config.runs, run.folder), Database.of(config))
    return {"rows": summary["snapshot"], "summary": summary}


def _bounds(transaction: Transaction, cutoff: datetime) -> dict[str, Any]:
    base = transaction.row(
        "select cutoff as rated_since, read_through - interval '1 hour' as updated_since from recommender.extraction"
        " where cutoff < :cutoff",
        cutoff=cutoff,
    )
    return {"rated_until": cutoff, **(base or {"rated_since": "-infinity", "updated_since": "-infinity"})}


def _database(url: str) -> Database:
    return Database.of(load_config({"database_url": url}))


if __name__ == "__main__":
    main()
