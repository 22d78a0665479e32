"""How long a training step takes as the tables grow, beside Adam as Keras has it and Adagrad, in the same run.

    python -m benchmarks.training_steps [--users 10000] [--experiences 2000] [--batch 4096]

Users times 1, 10 and 100; the vectors and dense layers are those of the candidates for many ratings. A step includes
its part of what happens once an epoch; and of an epoch, the share is told that is spent outside the graph.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from benchmarks.generated import generated_ratings
from recommender_job.settings import ModelConfig

ROUNDS = 4
#: Ratings of a user, on average; an epoch of the largest tables is cut after so many steps.
EACH, STEPS = 10, 100


def main() -> None:
    """Prints milliseconds a step, the best of four rounds in turns, and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--experiences", type=int, default=2_000)
    parser.add_argument("--batch", type=int, default=4_096)
    options = parser.parse_args()
    print(f"batches of {options.batch:,}, {options.experiences:,} experiences; milliseconds a step")
    print(
        f"{'users':>10}{'as it is':>10}{'dense Adam':>12}{'ratio':>8}{'Adagrad':>10}{'ratio':>8}{'outside graph':>15}"
    )
    first = None
    for users in (options.users, 10 * options.users, 100 * options.users):
        work = {
            "as it is": _epoch(users, options, "adam"),
            "dense": _epoch(users, options, "adam", dense=True),
            "adagrad": _epoch(users, options, "adagrad"),
        }
        found = {name: run() for name, run in work.items()}
        for _ in range(ROUNDS - 1):
            found = {name: min(found[name], run()) for name, run in work.items()}
        step = {name: seconds * 1000 for name, (seconds, _) in found.items()}
        ours = step["as it is"]
        first = first or ours
        print(
            f"{users:>10,}{ours:>10.1f}{step['dense']:>12.1f}{step['dense'] / ours:>8.2f}{step['adagrad']:>10.1f}"
            f"{step['adagrad'] / ours:>8.2f}{found['as it is'][1]:>14.1%}   {ours / first:.2f} x the first row",
            flush=True,
        )


def _epoch(
    users: int, options: argparse.Namespace, optimizer: str, *, dense: bool = False
) -> Callable[[], tuple[float, float]]:
    """Makes a function that trains an epoch: seconds a step, and the share of the time that the graph did not run."""
    from recommender_job.ranking import adam, graph
    from recommender_job.ranking.trainer import Trainers

    ratings = generated_ratings(users * EACH, users, options.experiences)
    cut = ratings.head(min(len(ratings), STEPS * options.batch))
    settings = ModelConfig(
        optimizer=optimizer, embedding_dimension=64, hidden_layers=(64,), batch_size=options.batch, epochs=2
    )
    graph.LARGE = sys.maxsize if dense else adam.LARGE
    trainer = Trainers(ratings).of(settings)
    inside: list[float] = []
    epoch = trainer._graph.epoch

    def timed(*arguments: object) -> object:
        began = time.perf_counter()
        loss = epoch(*arguments)
        float(loss)
        inside.append(time.perf_counter() - began)
        return loss

    trainer._graph.epoch = timed
    steps = -(-len(cut) // options.batch)

    def run() -> tuple[float, float]:
        ended: list[float] = []
        inside.clear()
        trainer.fit(cut, settings, seed=0, after_epoch=lambda done: ended.append(time.perf_counter()) or True)
        seconds = ended[1] - ended[0]  # the first epoch builds the graph
        return seconds / steps, 1 - inside[1] / seconds

    return run


if __name__ == "__main__":
    main()
