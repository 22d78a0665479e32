"""What picking candidates by factors costs in a large catalogue, beside the product and the library `implicit`.

    python -m benchmarks.catalogue [--users 500] [--experiences 1000000] [--rounds 3]

Candidates are the ten most relevant experiences by 64 factors that the user has not rated; the predicted rating, by 32
factors, is computed for them only. `implicit` picks by the same factors. Memory is what a process of its own takes more
than before.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from benchmarks.alone import alone
from benchmarks.limits import Limits
from benchmarks.made import N, made_model, made_rated
from recommender_job.config import load_config
from recommender_job.ranking.ids import IdMap
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.relevance import ALS_FACTORS, RelevanceModel
from recommender_job.scoring.lists import ListMaker
from recommender_job.scoring.product import usable_threads

PRODUCT = "product of the factors"
#: Pairs that the product is measured on.
PART = 200_000_000


def main() -> None:
    """Prints what `measured` returns."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--experiences", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(measured(options.users, options.experiences, options.rounds))


def measured(users: int, experiences: int, rounds: int) -> str:
    """A table: seconds, milliseconds of a user, million pairs a second, share of the product of the same factors."""
    table: str = alone(_measured, users, experiences, rounds).result
    return table


def _measured(users: int, experiences: int, rounds: int) -> str:
    (relevance, own), rated = _factors(users, experiences), made_rated(users, experiences)
    maker = _maker(relevance, made_model(users, experiences, dense=False))
    part = min(PART // users, experiences)
    limits = Limits(own, relevance.matrix.T[:part])
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    ours = _lists(maker, users, rated)
    ours()
    more = _memory("VmHWM") - before
    work = {
        PRODUCT: limits.product,
        "the job, lists of ten": ours,
        "implicit, the ten best": _implicit(relevance.matrix, own, rated),
    }
    seconds = dict.fromkeys(work, float("inf"))
    for _ in range(rounds):
        for name, run in work.items():
            started = time.perf_counter()
            run()
            seconds[name] = min(seconds[name], time.perf_counter() - started)
    least = seconds[PRODUCT] = seconds[PRODUCT] * experiences / part
    lines = [
        f"{users:,} users x {experiences:,} experiences by {ALS_FACTORS} factors, candidates only;"
        f" {more:.0f} MiB more than the models",
        f"{'':<48}{'s':>8}{'ms a user':>11}{'M pairs/s':>11}{'of the product':>16}",
    ]
    for name, found in seconds.items():
        rate = users * experiences / found / 1e6
        lines.append(f"{name:<48}{found:>8.3f}{1000 * found / users:>11.2f}{rate:>11.1f}{least / found:>16.0%}")
    return "\n".join(lines)


def _maker(relevance: RelevanceModel, model: Any) -> ListMaker:
    config = load_config()
    return ListMaker(
        Predictor(((1.0, model),)),
        relevance.experiences.ids,
        n=N,
        scale=(config.rating_min, config.rating_max),
        block_pairs=config.block_pairs,
        relevance=relevance,
        candidates=N,
    )


def _lists(maker: ListMaker, users: int, rated: Any) -> Callable[[], None]:
    def make() -> None:
        for _ in maker.lists(np.arange(users), rated):
            pass

    return make


def _implicit(matrix: np.ndarray, queries: np.ndarray, rated: Any) -> Callable[[], Any]:
    from implicit.cpu.topk import topk

    items = np.ascontiguousarray(matrix.T)
    shape = (len(queries), len(items))
    taken = sparse.csr_matrix((np.ones(len(rated), np.float32), (rated["user_id"], rated["experience_id"])), shape)
    return lambda: topk(items, queries, N, filter_query_items=taken, num_threads=usable_threads(None))


def _factors(users: int, experiences: int) -> tuple[RelevanceModel, np.ndarray]:
    """A model as ALS makes it, and the factors of the users."""
    random = np.random.default_rng(4)
    own, theirs = (
        random.standard_normal(shape, dtype=np.float32) for shape in ((users, ALS_FACTORS), (ALS_FACTORS, experiences))
    )
    factors = np.concatenate([np.zeros((1, ALS_FACTORS), np.float32), own])
    share = random.random(experiences, dtype=np.float32)
    model = RelevanceModel(IdMap(np.arange(users)), IdMap(np.arange(experiences)), theirs, factors, share, 0.1)
    return model, own


def _memory(name: str) -> float:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status[name].split()[0]) / 1024


if __name__ == "__main__":
    main()
