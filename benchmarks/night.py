"""What a whole night costs, stage by stage: seconds and peak memory, each stage in a process of its own.

    python -m benchmarks.night [--users 1000000] [--experiences 2000] [--ratings 10000000] [--set key=value ...]

The ratings are made up (benchmarks/generated.py) and lie in an embedded database of its own, about 250 bytes of disk
for each. Nothing is left at the end.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as csv
import structlog

from benchmarks.alone import Cost, alone
from benchmarks.extraction import WITH_INDEXES, WITHOUT_INDEXES
from benchmarks.generated import generated_ratings
from recommender_job import nightly
from recommender_job.config import ENV_PREFIX, load_config
from recommender_job.runs import Run
from recommender_job.storage import embedded, schema
from recommender_job.storage.database import Database, plain_url
from recommender_job.tables import RATED_AT

CUTOFF = datetime(2024, 1, 1, tzinfo=UTC)
STAGES = ("extract", "clean", "train", "evaluate", "gate", "refit", "plan_shards", "score", "publish")
#: What a night costs does not depend on whether its model is any good.
GATE = {"gate.when_blocked": "ask"}
#: Of the lists in the database, with their index.
_SIZE = """
    select sum(pg_total_relation_size(inhrelid))::float as bytes from pg_inherits
    where inhparent = 'recommender.recommendation'::regclass
"""
#: Ratings that are loaded at once.
_LOADED = 1_000_000


@dataclass(frozen=True)
class World:
    """How much there is of everything."""

    users: int
    experiences: int
    ratings: int

    def __str__(self) -> str:
        return f"{self.users:,} users x {self.experiences:,} experiences, {self.ratings:,} ratings"


def main() -> None:
    """Prints a row for each stage."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--experiences", type=int, default=2_000)
    parser.add_argument("--ratings", type=int, default=10_000_000, help="a few fewer: pairs that repeat count once")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="settings of the job")
    options = parser.parse_args()
    world = World(options.users, options.experiences, options.ratings)
    print(f"{world}; {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    print(f"{'stage':<12}{'seconds':>9}{'own MiB':>9}{'held MiB':>10}")
    costs: dict[str, Cost] = {}
    for stage, cost in night(world, dict(assignment.split("=", 1) for assignment in options.set)):
        costs[stage] = cost
        print(f"{stage:<12}{cost.seconds:>9.1f}{cost.own:>9,}{cost.held:>10,}", flush=True)
    print(f"{'all':<12}{sum(cost.seconds for cost in costs.values()):>9.1f}{max(c.own for c in costs.values()):>9,}")
    print(f"publish: {costs['publish'].result}")
    print(f"gate: {'passed' if costs['gate'].result['passed'] else costs['gate'].result['reasons']}")
    print(f"rmse {costs['evaluate'].result['rmse']:.4f}, baselines {costs['evaluate'].result['baselines']}")


def night(world: World, settings: dict[str, Any]) -> Iterator[tuple[str, Cost]]:
    """Runs a night and tells what each stage cost, when it has ended.

    Args:
        world: Made up by its sizes: the same world for the same sizes.
        settings: Of the job.
    """
    for variable in [name for name in os.environ if name.startswith(ENV_PREFIX)]:
        del os.environ[variable]  # a night of this shell's settings would measure something else
    with tempfile.TemporaryDirectory() as home:
        try:
            values = {"home": home, "database_url": plain_url(embedded.start(Path(home))), **GATE, **settings}
            alone(_fill, values, world)
            shards: list[int] = []
            for stage in STAGES:
                numbers = [(shard,) for shard in shards] if stage == "score" else [()]
                parts = [alone(_stage, stage, values, *number) for number in numbers]
                if stage == "plan_shards":
                    shards = parts[0].result["shards"]
                yield stage, _together(parts)
        finally:
            embedded.stop(Path(home))


def _together(parts: list[Cost]) -> Cost:
    """One after the other; the result is the last one's."""
    seconds = sum(part.seconds for part in parts)
    return Cost(seconds, max(part.own for part in parts), max(part.held for part in parts), parts[-1].result)


def _stage(stage: str, values: dict[str, Any], *shard: int) -> dict[str, Any]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    config, run = load_config(values), Run.at(CUTOFF)
    done: dict[str, Any] = getattr(nightly, stage)(config, run, *shard)
    if stage == "gate" and not done["passed"]:
        nightly.override(config, run, by="benchmark", at=CUTOFF, reason="the rest is to be measured, too")
    if stage == "publish":
        with Database.of(config).transaction() as transaction:
            (size,) = transaction.rows(_SIZE)
        done["bytes_a_row"] = round(size["bytes"] / done["rows"])
    return done


def _fill(values: dict[str, Any], world: World) -> None:
    """Puts the world into the tables of the website."""
    database = Database.of(load_config(values))
    schema.migrate(database)
    ratings = generated_ratings(world.ratings, world.users, world.experiences)
    moments = ratings[RATED_AT] + (pd.Timestamp(CUTOFF) - ratings[RATED_AT].iloc[-1] - pd.Timedelta(seconds=1))
    ratings = ratings.assign(rated_at=moments, updated_at=moments)
    with database.transaction() as transaction:
        transaction.run("insert into website.users select generate_series(1, :users)", users=world.users)
        transaction.run(
            "insert into website.experiences (name, name_key)"
            " select 'Experience number ' || n, n::text from generate_series(1, :experiences) as n",
            experiences=world.experiences,
        )
        transaction.run(WITHOUT_INDEXES)  # they are made faster at once
        for start in range(0, len(ratings), _LOADED):
            part = pa.Table.from_pandas(ratings.iloc[start : start + _LOADED], preserve_index=False)
            buffer = io.BytesIO()
            csv.write_csv(part, buffer, csv.WriteOptions(include_header=False))
            transaction.copy_in("website.ratings", part.column_names, io.BytesIO(buffer.getvalue()))
        transaction.run(WITH_INDEXES)
    with database.autocommit() as session:
        session.run("vacuum analyze website.ratings")


if __name__ == "__main__":
    main()
