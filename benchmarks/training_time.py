"""How long training with selection takes, and one fit, beside the preset `seed`'s 1,000 epochs in the same run.

`make bench` runs it on RATINGS_CSV, or on a made-up world. TensorFlow is loaded before the clock starts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from benchmarks.ratings import clean_pairs
from recommender_job.config import Config, load_config
from recommender_job.ranking.predictor import train_predictor
from recommender_job.ranking.recipes import find_recipe
from recommender_job.ranking.trainer import Trainers
from recommender_job.ranking.training import fit
from recommender_job.ratings.split import split

ROUNDS = 3


def main() -> None:
    """Prints seconds, and ratios to the seed preset, as the median of three rounds."""
    name, pairs = clean_pairs()
    training, _ = split(pairs, "last", share=0.2, seed=0)
    chosen, seed = load_config(), load_config({"preset": "seed"})
    fit(training, chosen.model.model_copy(update={"epochs": 1}), seed=0)  # loads TensorFlow
    print(f"{name}: {len(training):,} training pairs; median of {ROUNDS} rounds")
    recipe, _ = find_recipe(training, chosen, Trainers(training))
    work: dict[str, Callable[[], Any]] = {
        "preset seed, 1,000 epochs": lambda: fit(training, seed.model, seed=0),
        "training with selection": lambda: _with_selection(training, chosen),
        "one fit of what was chosen": lambda: fit(training, recipe.members[0].settings, seed=0),
    }
    seconds: dict[str, list[float]] = {label: [] for label in work}
    for _ in range(ROUNDS):
        for label, run in work.items():  # in turns, so that a busy moment does not hit one of them alone
            started = time.perf_counter()
            run()
            seconds[label].append(time.perf_counter() - started)
    median = {label: sorted(found)[ROUNDS // 2] for label, found in seconds.items()}
    reference = median["preset seed, 1,000 epochs"]
    for label, found in median.items():
        print(f"  {label:<28}{found:>8.2f} s{found / reference:>8.2f} of the seed preset's")


def _with_selection(training: Any, config: Config) -> None:
    trainers = Trainers(training)
    recipe, _ = find_recipe(training, config, trainers)
    train_predictor(training, recipe, trainers=trainers)


if __name__ == "__main__":
    main()
