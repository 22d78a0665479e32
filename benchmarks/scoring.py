"""How fast all pairs are scored, beside what the processor's float32 product allows and beside Keras.

    python -m benchmarks.scoring [--users 4000] [--experiences 2000] [--rounds 9]

The whole pass makes lists of ten: predicted ratings of all pairs, relevance, rules, the best of each user. Everything
is measured in turns, and the best round counts. Where there is a graphics card, the same is measured on it. At the
end comes what `python -m benchmarks.scoring_memory` and `python -m benchmarks.catalogue` print.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import catalogue, scoring_memory
from benchmarks.limits import Limits
from benchmarks.made import DIMENSION, EACH, HIDDEN, NOTHING, N, made_model, made_rated, made_relevance
from recommender_job.config import load_config
from recommender_job.ranking.cards import usable_cards
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.trained import TrainedModel
from recommender_job.scoring.lists import ListMaker
from recommender_job.scoring.rules import Rules

PRODUCT = "float32 product of 2048²"
#: What bounds lists by factors, the slower of the two.
FACTORS, MEMORY = "product of the factors", "writing and reading each score once"
#: What bounds relevance by EASE, and that with every predicted rating by factors.
SUMS = f"adding up {EACH} rows of EASE for each user"
BOTH = f"{FACTORS}, {SUMS}"
ON_CARD = "on a card"
KERAS = "Keras, model.predict on strings"
AT_ONCE = f"{KERAS}, 8,192 at once"
#: Times the users for lists by factors: what is done once for all users counts little there, and loops are compiled.
MORE = 25
#: Ratings of a user, fewer than the many of `made.EACH`; of the first users it is five.
FEW = 10
#: What is measured: the work, its pairs, and what bounds it.
Work = dict[str, tuple[Callable[[], Any], int, str]]


def main() -> None:
    """Prints seconds, million pairs a second, the share of the limit, how many times Keras by 32 and by 8,192."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--users", type=int, default=4_000, help="lists by factors are of many times as many")
    parser.add_argument("--experiences", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--without-keras", action="store_true", help="saves the time that loading TensorFlow takes")
    options = parser.parse_args()
    users, experiences = options.users, options.experiences
    work = _work(users, experiences) | ({} if options.without_keras else _keras_work(users, experiences))
    seconds = {name: float("inf") for name in work}
    for _ in range(options.rounds):
        for name, (run, _, _) in work.items():
            started = time.perf_counter()
            run()
            seconds[name] = min(seconds[name], time.perf_counter() - started)
    rate = 2 * 2048**3 / seconds[PRODUCT]
    print(
        f"{users:,} users x {experiences:,} experiences, {MORE} times the users with factors;"
        f" float32 product {rate / 1e9:.0f} GFLOP/s"
    )
    a_pair = {
        PRODUCT: 2 * HIDDEN[0] * HIDDEN[1] / rate,
        FACTORS: max(seconds[FACTORS], seconds[MEMORY]) / work[FACTORS][1],
        SUMS: seconds[SUMS] / work[SUMS][1],
    }
    a_pair[BOTH] = a_pair[FACTORS] + a_pair[SUMS]
    print(f"{'':<48}{'s':>8}{'M pairs/s':>10}{'of the limit':>13}{'x predict':>10}{'x by 8,192':>11}")
    for name, (_, pairs, limit) in work.items():
        found, cells = seconds[name], ["", "", "", ""]
        if pairs:
            cells[0] = f"{pairs / found / 1e6:.2f}"
            if limit:
                cells[1] = f"{a_pair[limit] * pairs / found:.0%}"
            if KERAS in work:
                cells[2] = f"{pairs / found * seconds[KERAS] / work[KERAS][1]:.1f}"
                cells[3] = f"{pairs / found * seconds[AT_ONCE] / work[AT_ONCE][1]:.2f}"
        print(f"{name:<48}{found:>8.3f}{cells[0]:>10}{cells[1]:>13}{cells[2]:>10}{cells[3]:>11}")
    if not any(ON_CARD in name for name in work):
        print("there is no graphics card that TensorFlow can use: nothing measured on one")
    print(scoring_memory.told(20_000, experiences))
    print(catalogue.measured(users=500, experiences=1_000_000, rounds=3))


def _work(users: int, experiences: int) -> Work:
    random = np.random.default_rng(0)
    more = MORE * users
    deep, flat = made_model(users, experiences), made_model(more, experiences, dense=False)
    relevance, rated = made_relevance(1, experiences), made_rated(more, experiences)
    few = made_rated(more, experiences, FEW)
    offered, pairs = np.arange(experiences), users * experiences
    rules = Rules(random.integers(0, experiences // 4, experiences), np.array([3, 1]), 1)
    square = random.standard_normal((2048, 2048), dtype=np.float32)
    left, right = (
        np.concatenate([vectors, np.ones((len(vectors), 2), np.float32)], axis=1)
        for vectors in (flat.rows("user", np.arange(10 * users))[0], flat.rows("experience", offered)[0])
    )
    limits = Limits(left, right)

    def lists(model: TrainedModel, rated: pd.DataFrame = rated, **how: Any) -> Callable[[], None]:
        ids = model.users.ids
        own = rated[rated["user_id"] < len(ids)]

        config = load_config()

        def make() -> None:
            scale = (config.rating_min, config.rating_max)
            maker = ListMaker(
                Predictor(((1.0, model),)), offered, n=N, scale=scale, block_pairs=config.block_pairs, **how
            )
            for _ in maker.lists(ids, own):
                pass

        return make

    picked: dict[str, Any] = {"relevance": relevance, "candidates": N, "rules": rules}
    on_card: Work = {}
    if usable_cards("auto"):
        on_card = {
            f"dense 256-64-1, by rating alone, {ON_CARD}": (lists(deep, devices="auto"), pairs, ""),
            f"dense 256-64-1, relevance and rules, {ON_CARD}": (
                lists(deep, predict="all", devices="auto", **picked),
                pairs,
                "",
            ),
        }
    return on_card | {
        PRODUCT: (lambda: square @ square, 0, ""),
        "dense 256-64-1, by rating alone": (lists(deep), pairs, PRODUCT),
        "dense 256-64-1, relevance and rules": (lists(deep, predict="all", **picked), pairs, PRODUCT),
        "dense 256-64-1, the same of candidates only": (lists(deep, **picked), pairs, ""),
        FACTORS: (limits.product, 10 * pairs, ""),
        MEMORY: (limits.memory, 10 * pairs, ""),
        SUMS: (lambda: limits.sums(relevance.matrix, EACH), 10 * pairs, ""),
        "factors, by rating alone, nothing rated": (lists(flat, NOTHING), MORE * pairs, FACTORS),
        f"factors, by rating alone, {FEW} rated by each": (lists(flat, few), MORE * pairs, FACTORS),
        f"factors, by rating alone, {EACH} rated by each": (lists(flat), MORE * pairs, FACTORS),
        "factors, relevance and rules": (lists(flat, predict="all", **picked), MORE * pairs, BOTH),
        "factors, the same of candidates only": (lists(flat, **picked), MORE * pairs, SUMS),
    }


def _keras_work(users: int, experiences: int) -> Work:
    """A model of the same shape as websites write it: ids as strings, looked up inside; asked for a sample of pairs."""
    from recommender_job.ranking.tensorflow import keras, tf

    few, many = (min(users * experiences, count) for count in (20_000, 400_000))
    parts = []
    inputs = {"user": keras.Input((), dtype=tf.string), "experience": keras.Input((), dtype=tf.string)}
    for name, count in (("user", users), ("experience", experiences)):
        look_up = keras.layers.StringLookup(vocabulary=[str(place) for place in range(count)], mask_token=None)
        parts.append(keras.layers.Embedding(count + 1, DIMENSION)(look_up(inputs[name])))
    hidden = keras.layers.Concatenate()(parts)
    for units in HIDDEN:
        hidden = keras.layers.Dense(units, "relu")(hidden)
    model = keras.Model(inputs, keras.layers.Dense(1)(hidden))
    places = np.arange(many)
    asked = {"user": (places // experiences).astype(str), "experience": (places % experiences).astype(str)}

    def predict(pairs: int, batch: int) -> Callable[[], None]:
        part = {name: ids[:pairs] for name, ids in asked.items()}
        return lambda: model.predict(part, batch_size=batch, verbose=0)

    return {KERAS: (predict(few, 32), few, ""), AT_ONCE: (predict(many, 8192), many, "")}


if __name__ == "__main__":
    main()
