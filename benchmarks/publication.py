"""How fast lists are published, and in how much memory: beside raw COPY of the same rows and `to_sql`.

    python -m benchmarks.publication [--users 200000] [--experiences 2000]

Publishes made-up lists into an embedded database of its own, alone and beside live ones, for a quarter of the users and
for all, in a process of its own each. Raw COPY loads the same rows, packed beforehand, into the same kind of table and
makes its index: nothing is checked, read or counted there.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as csv

from benchmarks.alone import alone
from recommender_job.config import load_config
from recommender_job.publishing.loading import ListRows, load
from recommender_job.publishing.publish import publish
from recommender_job.ranking.recipe import Recipe
from recommender_job.ratings.clean import CLEAN, REJECTED
from recommender_job.ratings.extract import EXPERIENCE_RULES, EXPERIENCES, OPT_OUTS, USERS
from recommender_job.runs import Run, stage_of
from recommender_job.scoring.plan import plan, planned_experiences, users_of_shard
from recommender_job.scoring.score import lists_file
from recommender_job.storage import embedded, partitions, schema
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database, plain_url
from recommender_job.tables import REFUSED_RATINGS, SOURCE_EXPERIENCE_RULES, SOURCE_OPT_OUTS

CUTOFF = datetime(2024, 1, 1, tzinfo=UTC)
#: Ratings of a user, and rows of a list.
RATED, N = 10, 10
#: Rows that pandas writes: it would take minutes for all.
SAMPLE = 50_000
COLUMNS = ["user_id", "rank", "experience_id", "predicted_rating", "experience_name", "source"]
ROUNDS = 3


def main() -> None:
    """Prints rows a second, the share of raw COPY's speed, and the peak of the memory."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--users", type=int, default=200_000, help="users with a list")
    parser.add_argument("--experiences", type=int, default=2_000, help="experiences that may stand in one, 20 at least")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        url = plain_url(embedded.start(Path(home)))
        try:
            schema.migrate(Database.of(load_config({"database_url": url})))
            for users in (arguments.users // 4, arguments.users):
                alone(prepare, home, users, arguments.experiences)
                print(f"{users:,} users, {users * N:,} rows")
                _rounds(url, home)
        finally:
            embedded.stop(Path(home))


def _rounds(url: str, home: str) -> None:
    ways = {
        "raw COPY, CSV": (_raw, False),
        "raw COPY, binary": (_raw, True),
        "publish, nothing live": (_publish, False),
        "publish beside live lists": (_publish, True),
        "pandas.to_sql": (_to_sql, False),
    }
    best: dict[str, dict[str, Any]] = {}
    for _ in range(ROUNDS):
        for name, (work, how) in ways.items():
            cost = alone(work, url, home, how)
            found = {**cost.result, "peak": cost.held}
            if name not in best or found["seconds"] < best[name]["seconds"]:
                best[name] = found
    speed = {name: found["rows"] / found["seconds"] for name, found in best.items()}
    for name, found in best.items():
        shares = [speed[name] / speed[raw] for raw in list(ways)[:2]]
        print(
            f"  {name:<26}{found['seconds']:>8.2f} s{speed[name]:>12,.0f} rows/s{found['peak']:>8,} MiB"
            f"{shares[0]:>8.0%} of raw COPY in CSV{shares[1]:>6.0%} in binary"
        )


def prepare(home: str, users: int, experiences: int) -> dict[str, Any]:
    """A run folder of a night that has been scored by lot."""
    random, folder = np.random.default_rng(1), run_folder(home)
    ids = np.arange(1, experiences + 1)
    # Each user's pairs are a walk through the experiences, not once around: no experience comes twice.
    steps = np.arange(RATED + N) * random.integers(1, experiences // (RATED + N) + 1, (users, 1))
    walk = (random.integers(0, experiences, (users, 1)) + steps) % experiences + 1
    rated = pd.DataFrame({"user_id": np.repeat(np.arange(users), RATED), "experience_id": walk[:, :RATED].ravel()})
    rated = rated.assign(rating=random.integers(1, 6, len(rated)).astype(np.float32))
    folder.write_table(CLEAN, rated.iloc[random.permutation(len(rated))])
    folder.write_table(REJECTED, REFUSED_RATINGS.empty_table())
    folder.write_table(USERS, pd.DataFrame({"user_id": np.arange(users), "is_active": True}))
    empty = pa.array([None] * experiences, pa.timestamp("us", tz="UTC"))
    names = [f"Experience number {one} of all" for one in ids]
    dates = {"available_from": empty, "available_until": empty}
    folder.write_table(
        EXPERIENCES, pa.table({"experience_id": ids, "name": names, "is_active": [True] * len(ids), **dates})
    )
    folder.write_table(OPT_OUTS, SOURCE_OPT_OUTS.empty_table())
    folder.write_table(EXPERIENCE_RULES, SOURCE_EXPERIENCE_RULES.empty_table())
    summary = plan(load_config({"home": Path(home)}), Run("a-night", CUTOFF), folder)
    folder.finish("plan_shards", summary)
    folder.finish("refit", {"model_version": "made up"})
    folder.finish("evaluate", {"rmse": 1.0})
    for shard in summary["shards"]:
        own = users_of_shard(folder, shard)
        predicted = np.sort(random.uniform(1, 5, (len(own), N)).astype(np.float32))[:, ::-1]
        lists = {
            "user_id": np.repeat(own, N),
            "rank": np.tile(np.arange(1, N + 1, dtype=np.int16), len(own)),
            "experience_id": walk[own, RATED:].ravel(),
            "predicted_rating": predicted.ravel(),
        }
        folder.write_table(lists_file(shard), pa.table(lists))
        folder.finish(stage_of(shard), {"users": len(own), "rows": len(own) * N, "model_version": "made up"})
    return {"rows": users * N}


def _publish(url: str, home: str, beside_live: bool) -> dict[str, Any]:
    config = load_config({"database_url": url, "home": Path(home), "dry_run": not beside_live, "allow_older": True})
    database = Database.of(config)
    with database.transaction() as transaction:
        transaction.run("delete from recommender.active_publication")
    recipe = Recipe(members=())
    if beside_live:
        publish(config, Run("a-night", CUTOFF), run_folder(home), database, recipe)
    started = time.perf_counter()
    summary = publish(config, Run("another-night", CUTOFF), run_folder(home), database, recipe)
    return {"rows": summary["rows"], "seconds": time.perf_counter() - started}


def _raw(url: str, home: str, binary: bool) -> dict[str, Any]:
    lists, folder = _lists(home), run_folder(home)
    files = (
        list(ListRows(planned_experiences(folder)).files(pa.Table.from_pandas(lists)))
        if binary
        else [_csv(_named(lists, folder))]
    )
    with Database.of(load_config({"database_url": url})).transaction() as transaction:
        started = time.perf_counter()
        table = partitions.create(transaction, 0)
        for file in files:
            if binary:
                load(transaction, table, file)
            else:
                transaction.copy_in(table, COLUMNS, file)
        transaction.define("create unique index on {table} (user_id, rank)", {"table": table})
        seconds = time.perf_counter() - started
        transaction.define("drop table {table}", {"table": table})
    return {"rows": len(lists), "seconds": seconds}


def _to_sql(url: str, home: str, _how: bool) -> dict[str, Any]:
    rows = _named(_lists(home).head(SAMPLE), run_folder(home)).to_pandas()
    with Database.of(load_config({"database_url": url})).engine.connect() as connection:
        started = time.perf_counter()
        rows.to_sql("a_sample", connection, index=False, if_exists="replace")
        seconds = time.perf_counter() - started
    return {"rows": len(rows), "seconds": seconds}


def _lists(home: str) -> pd.DataFrame:
    folder = run_folder(home)
    return pd.concat([folder.read_frame(lists_file(shard)) for shard in folder.summary("plan_shards")["shards"]])


def _named(lists: pd.DataFrame, folder: RunFolder) -> pa.Table:
    names = planned_experiences(folder).set_index("experience_id")["name"]
    named = lists.assign(experience_name=lists["experience_id"].map(names), source="model")
    return pa.Table.from_pandas(named, preserve_index=False)


def _csv(rows: pa.Table) -> io.BytesIO:
    buffer = io.BytesIO()
    csv.write_csv(rows, buffer, csv.WriteOptions(include_header=False, quoting_style="needed"))
    return io.BytesIO(buffer.getvalue())


def run_folder(home: str) -> RunFolder:
    """Where `prepare` writes."""
    return RunFolder(str(Path(home) / "runs"), "a-night")


if __name__ == "__main__":
    main()
