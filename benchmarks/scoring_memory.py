"""How much memory a scoring task takes as its model, its shard and its threads grow.

    python -m benchmarks.scoring_memory [--users 20000] [--experiences 2000]

Each task is a process of its own that scores a shard of a saved model as the night does, without its start. Told is
memory that it cannot give back (anonymous), how many times that of the first row of its kind, and with it the pages of
files that it maps, the model's among them, which the system takes back as it likes.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import structlog

from benchmarks.alone import Cost, alone
from benchmarks.made import NOTHING, made_model, made_rated, made_relevance
from recommender_job import nightly
from recommender_job.config import load_config
from recommender_job.ranking.predictor import Predictor
from recommender_job.ratings.clean import CLEAN
from recommender_job.runs import Run
from recommender_job.scoring.plan import PLANNED_EXPERIENCES, PLANNED_OPT_OUTS, PLANNED_USERS
from recommender_job.storage.artifacts import RunFolder

RUN = Run.at(datetime(2024, 1, 1, tzinfo=UTC))
#: Users that the large models know, times those of the shard.
TIMES = 100


def main() -> None:
    """Prints a row for each task."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--users", type=int, default=20_000, help="of the shard")
    parser.add_argument("--experiences", type=int, default=2_000)
    options = parser.parse_args()
    print(told(options.users, options.experiences))


def told(users: int, experiences: int) -> str:
    """A row for each task."""
    rows = [
        f"{'a scoring task':<16}{'shard':>10}{'model':>12}{'threads':>9}{'pairs':>12}"
        f"{'own MiB':>9}{'x the first row':>17}{'held MiB':>10}"
    ]
    one: dict[str, Any] = {"score_threads": 1}
    grown: list[tuple[int, int, dict[str, Any]]] = [
        (users, users, {}),
        (users, TIMES * users, {}),
        (10 * users, TIMES * users, {}),
    ]
    threads = [
        (users, users, one),
        (users, users, {"score_threads": 4}),
        (users, users, {**one, "block_pairs": 6_400_000}),
    ]
    for kind, tasks in (("dense", [*grown, *threads]), ("factors", grown)):
        first = None
        for shard, known, settings in tasks:
            cost, config = measured(kind, shard, known, experiences, **settings), load_config(settings)
            first = first or cost.own
            rows.append(
                f"{kind:<16}{shard:>10,}{known:>12,}{config.score_threads or 'all':>9}{config.block_pairs:>12,}"
                f"{cost.own:>9,}{cost.own / first:>17.2f}{cost.held:>10,}"
            )
    return "\n".join(rows)


def measured(kind: str, shard: int, known: int, experiences: int, **settings: Any) -> Cost:
    """What the stage score costs.

    Args:
        kind: `dense`, a network with hidden layers, and EASE; or `factors`, of ratings and by ALS.
        shard: How many users it scores, spread over those of the model.
        known: How many users the model knows.
        experiences: How many there are.
        **settings: Of the job.
    """
    with tempfile.TemporaryDirectory() as runs:
        alone(_fill, runs, kind, shard, known, experiences)
        return alone(_score, {"runs_url": runs, **settings})


def _score(values: dict[str, Any]) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    nightly.score(load_config({"predict": "candidates", **values}), RUN, 0)


def _fill(runs: str, kind: str, shard: int, known: int, experiences: int) -> None:
    folder = RunFolder(runs, RUN.folder)
    Predictor(((1.0, made_model(known, experiences, dense=kind == "dense")),)).save(folder, nightly.FINAL)
    made_relevance(known, experiences, factors=kind == "factors").save(folder, nightly.FINAL)
    users = np.arange(shard) * (known // shard)
    folder.write_table(PLANNED_USERS, pd.DataFrame({"user_id": users, "shard": 0}))
    offered = pd.DataFrame({"experience_id": np.arange(experiences), "name": "a", "group": np.arange(experiences)})
    folder.write_table(
        PLANNED_EXPERIENCES, offered.assign(group_name=None, pin=pd.array([None] * experiences, "Int64"))
    )
    folder.write_table(PLANNED_OPT_OUTS, NOTHING)
    rated = made_rated(shard, experiences)
    folder.write_table(CLEAN, rated.assign(user_id=users[rated["user_id"]]))
    folder.finish("plan_shards", {})


if __name__ == "__main__":
    main()
