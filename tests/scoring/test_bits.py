"""A user's list has the same bits whatever the block, the shard and the number of threads."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from recommender_job.scoring import blocks, lists, order, product
from recommender_job.scoring.lists import ListMaker, top_lists
from recommender_job.scoring.rules import Rules
from recommender_job.scoring.taken import Taken
from tests.scoring import random_worlds as worlds

USERS, EXPERIENCES = np.arange(5, 305, 2), np.arange(1, 700, 3)
ASKED = np.sort(np.concatenate([USERS, np.arange(1000, 1010)]))
OFFERED = np.concatenate([EXPERIENCES, np.arange(3000, 3010)])
RATED = worlds.rated(ASKED, OFFERED)
RULES, OPT_OUTS = Rules(np.arange(len(OFFERED)) // 5, np.array([7, 100]), 2), RATED.iloc[::50]
#: Popularity knows nobody, and ties are frequent.
RELEVANCE = [None, "interactions", "factors", "popularity"]


def made(kind: str, relevance: str | None, users: np.ndarray = ASKED, **how: object) -> pd.DataFrame:
    """Lists of six, and every predicted rating as a column of its bits."""
    every: list[np.ndarray] = []
    maker = ListMaker(
        worlds.predictor(kind, USERS, EXPERIENCES),
        OFFERED,
        n=6,
        scale=(-1e9, 1e9),
        relevance=worlds.relevance(relevance, USERS, EXPERIENCES) if relevance else None,
        candidates=9,
        rules=RULES,
        on_scores=lambda _, scores: every.append(scores),
        **{"block_pairs": 10_000, "threads": 1, **how},  # type: ignore[arg-type]
    )
    made = pd.concat(maker.lists(users, RATED, OPT_OUTS), ignore_index=True)
    bits = pd.Series(np.concatenate(every).view(np.int32).tolist(), index=users, name="every")
    return made.join(bits, on="user_id")


@pytest.mark.parametrize("relevance", RELEVANCE)
@pytest.mark.parametrize("kind", [*worlds.KINDS, "average"])
def test_the_same_bits(kind: str, relevance: str | None) -> None:
    whole = made(kind, relevance)
    assert whole["predicted_rating"].nunique() > 50
    for block_pairs, threads in ((1, 1), (700, 2), (3_000, 3), (1_000_000, 2)):
        pd.testing.assert_frame_equal(made(kind, relevance, block_pairs=block_pairs, threads=threads), whole)
    for part in (ASKED[::3], ASKED[70:71], ASKED[::-7][::-1]):
        own = whole[whole["user_id"].isin(part)].reset_index(drop=True)
        pd.testing.assert_frame_equal(made(kind, relevance, part), own)


@pytest.mark.parametrize(("predict", "stretch"), [("all", 100), ("candidates", order.STRETCH)])
@pytest.mark.parametrize("relevance", RELEVANCE)
@pytest.mark.parametrize("kind", ["average", "factors"])
def test_the_same_bits_where_loops_are_compiled(
    monkeypatch: pytest.MonkeyPatch, kind: str, relevance: str | None, stretch: int, predict: str
) -> None:
    for module in (order, blocks):
        monkeypatch.setattr(module, "STRETCH", stretch)
    how = {
        "n": 6,
        "scale": (-1e9, 1e9),
        "relevance": worlds.relevance(relevance, USERS, EXPERIENCES) if relevance else None,
        "candidates": 20,
        "predict": predict,
    }
    ask = worlds.predictor(kind, USERS, EXPERIENCES), ASKED, OFFERED, RATED, OPT_OUTS
    every = made(kind, relevance)
    found = [top_lists(*ask, block_pairs=3_000, rules=rules, **how) for rules in (None, RULES)]
    monkeypatch.setattr(lists, "COMPILED_FROM", 1)
    for together, cached in ((1, 1), (100, 20_000), (blocks.TOGETHER, blocks.CACHED)):
        monkeypatch.setattr(blocks, "TOGETHER", together)
        monkeypatch.setattr(blocks, "CACHED", cached)
        for rules, expected in zip((None, RULES), found, strict=True):
            own = top_lists(*ask, block_pairs=30_000, rules=rules, threads=2, **how)
            pd.testing.assert_frame_equal(own, expected)
    pd.testing.assert_frame_equal(made(kind, relevance, block_pairs=3_000), every)


def test_loops_are_compiled_once_much_has_been_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the same maker, whether at once or part by part."""
    asked: list[bool] = []

    def of(_: object, users: np.ndarray, *__: object, compiled: bool) -> Taken:
        asked.append(compiled)
        return Taken(np.zeros(len(users) + 1, np.int64), np.zeros(0, np.int32))

    monkeypatch.setattr(lists.Taken, "of", of)
    monkeypatch.setattr(lists, "COMPILED_FROM", 3 * len(OFFERED) * 10)
    how = {"n": 6, "scale": (-1e9, 1e9), "block_pairs": 3_000}
    predictor = worlds.predictor("factors", USERS, EXPERIENCES)
    maker, another = (ListMaker(predictor, OFFERED, **how) for _ in range(2))
    for start in range(0, 40, 10):
        list(maker.lists(ASKED[start : start + 10], RATED))
    list(another.lists(ASKED[:30], RATED))
    assert asked == [False, False, True, True, True]


@pytest.mark.parametrize("kernel", ["Haswell", "Nehalem", ""])
def test_the_same_bits_on_other_processors(kernel: str) -> None:
    code = """
from tests.scoring import test_bits
for kind in ("average", "factors"):
    for relevance in test_bits.RELEVANCE:
        test_bits.test_the_same_bits(kind, relevance)
"""
    environment = {**os.environ, "OPENBLAS_CORETYPE": kernel, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


@pytest.mark.parametrize("columns", [3, 700, product.TILE + 5])
def test_a_product_is_numpys(columns: int) -> None:
    random = np.random.default_rng(0)
    upper, lower = (random.integers(-3, 4, (rows, columns)).astype(np.float32) for rows in (5, 2))
    made = product.Product([upper, lower])
    matrix = np.concatenate([upper, lower])
    for users in (1, 7, 48, 50, 101):
        rows, out = random.integers(-3, 4, (users, 7)).astype(np.float32), np.full((users, columns + 3), 9, np.float32)
        made.into(rows, out[:, :columns])
        np.testing.assert_array_equal(out[:, :columns], rows @ matrix)
        assert (out[:, columns:] == 9).all()
        part, added = np.zeros((users, columns - 1), np.float32), np.ones((users, columns - 1), np.float32)
        made.into(rows, part, 1)
        made.into(rows, added, 1, add=True)
        np.testing.assert_array_equal(part, rows @ matrix[:, 1:])
        np.testing.assert_array_equal(added, rows @ matrix[:, 1:] + 1)
        places = random.integers(0, columns, (users, 4))
        np.testing.assert_array_equal(made.some(rows, places), np.take_along_axis(rows @ matrix, places, axis=1))


@pytest.mark.parametrize("axis", [0, 1])
def test_no_vector_is_longer_than_its_bound(axis: int) -> None:
    for table in (np.full((5, 7), -3, np.float32), np.eye(5, 7, dtype=np.float32)):
        length = np.linalg.norm(table, axis=axis).max()
        assert (
            length
            <= product.length_bound(table, axis) * (1 + 1e-12)
            <= np.sqrt(table.shape[axis]) * length * (1 + 1e-9)
        )
    assert product.length_bound(np.zeros((0, 7), np.float32)) == 0


@pytest.mark.parametrize("columns", [3, product.TILE + 5])
@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf, 1e20, 1.5e19])
def test_what_is_finite_for_certain_is(columns: int, broken: float) -> None:
    """Of 1e20 squared and of sums of squares beyond float32 nothing is promised."""
    matrix, rows = np.ones((4, columns), np.float32), np.ones((3, 4), np.float32)
    assert product.Product([matrix]).surely_finite(product.length_bound(rows))
    for table, other in ((matrix, rows), (rows, matrix)):
        table[2, 2] = other[1, 1] = broken
        with np.errstate(all="ignore"):
            assert not product.Product([matrix]).surely_finite(product.length_bound(rows))
        table[:], other[:] = 1, 1
    matrix[0, -1] = np.nan
    assert not product.Product([matrix]).surely_finite(product.length_bound(rows))


def test_as_many_threads_as_may_run_or_as_asked_for() -> None:
    assert product.usable_threads(3) == 3
    assert product.usable_threads(None) == len(os.sched_getaffinity(0))
