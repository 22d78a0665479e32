"""How much memory the stage `train` takes as ratings grow, within its budget and beyond.

    python -m benchmarks.training_memory [--pairs 2500000] [--budget 256]

Ratings times 1, 2 and 4, of the same users, each measured in a process of its own: once with the default budget,
which holds them all, and once with a small `train_memory_mb`. Told is memory that the process cannot give back
(anonymous), and how many times that of the first row of its budget; pages of mapped files come on top, as many as the
machine has to spare.
"""

from __future__ import annotations

import argparse
import tempfile

from benchmarks.alone import alone
from benchmarks.generated import generated_ratings
from recommender_job.config import load_config
from recommender_job.ranking import stages
from recommender_job.ratings.clean import CLEAN
from recommender_job.storage.artifacts import RunFolder

USERS, EXPERIENCES = 200_000, 2_000
QUICK = {
    "model.embedding_dimension": 16,
    "model.hidden_layers": (16,),
    "model.batch_size": 8192,
    "model.epochs": 2,
    "relevance.ease_l2": (100.0,),
    "relevance.activity_power": (0.0,),
    "relevance.popularity": (0.1,),
}


def main() -> None:
    """Prints seconds and MiB."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=2_500_000)
    parser.add_argument("--budget", type=int, default=256, help="MiB.")
    options = parser.parse_args()
    print(
        f"{'ratings':>12}{'budget':>9}{'seconds':>9}{'peak MiB':>10}{'x its first row':>17}{'bytes a rating more':>21}"
    )
    default = load_config().train_memory_mb
    with tempfile.TemporaryDirectory() as runs:
        first: dict[int, int] = {}
        before: dict[int, tuple[int, int]] = {}
        for times in (1, 2, 4):
            pairs = times * options.pairs
            alone(_generate, runs, pairs)
            for budget in (default, options.budget):
                cost = alone(_train, runs, pairs, budget)
                seconds, peak = cost.seconds, cost.own
                more = (peak - before[budget][1]) * 2**20 / (pairs - before[budget][0]) if budget in before else None
                times_first = peak / first.setdefault(budget, peak)
                print(
                    f"{pairs:>12,}{budget:>9,}{seconds:>9.1f}{peak:>10,}{times_first:>17.2f}"
                    f"{'' if more is None else f'{more:>21.0f}'}",
                    flush=True,
                )
                before[budget] = (pairs, peak)


def _generate(runs: str, pairs: int) -> None:
    RunFolder(runs, str(pairs)).write_table(CLEAN, generated_ratings(pairs, USERS, EXPERIENCES))


def _train(runs: str, pairs: int, budget: int) -> None:
    config = load_config({**QUICK, "train_memory_mb": budget})
    stages.train(config, RunFolder(runs, str(pairs)), "challenger", "champion")


if __name__ == "__main__":
    main()
