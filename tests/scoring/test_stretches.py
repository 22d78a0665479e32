"""Catalogues that do not fit into a block: scored a stretch of experiences at a time, with the same lists."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommender_job.errors import TrainingDiverged
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.relevance import RelevanceModel
from recommender_job.scoring import blocks, lists, offering, order
from recommender_job.scoring.lists import ListMaker, top_lists
from recommender_job.scoring.rules import Rules
from tests.scoring import random_worlds as worlds
from tests.scoring import test_bits as bits
from tests.scoring.reference import brute_force, listed, some_rated

Asked = tuple[np.ndarray, np.ndarray]
Cut = Callable[[int], None]


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Cut:
    """Makes stretches so long."""

    def make(stretch: int) -> None:
        for module in (order, blocks):
            monkeypatch.setattr(module, "STRETCH", stretch)

    return make


@pytest.mark.parametrize("looked_at", [1, offering.LOOKED_AT])
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
def test_lists_are_those_of_the_pairs(
    monkeypatch: pytest.MonkeyPatch,
    cut: Cut,
    several: Predictor,
    wanted: Callable[..., RelevanceModel],
    asked: Asked,
    looked_at: int,
    data: st.DataObject,
) -> None:
    """Also where users look further than others, one user at a time or all."""
    monkeypatch.setattr(offering, "LOOKED_AT", looked_at)
    cut(data.draw(st.integers(1, 10), "stretch"))
    users, experiences = asked
    rated = some_rated(users, experiences)
    group = data.draw(st.lists(st.integers(0, 4), min_size=10, max_size=10), "group")
    pins = data.draw(st.lists(st.integers(0, 9), unique=True, max_size=5), "pins")
    rules = Rules(np.array(group), np.array(pins, np.int64), data.draw(st.none() | st.integers(1, 3)))
    opt_outs = rated.iloc[::-4]
    kind = data.draw(st.sampled_from([None, "interactions", "factors", "popularity"]), "relevance")
    relevance = wanted(kind) if kind else None
    n, more = data.draw(st.integers(1, 10), "n"), data.draw(st.integers(0, 6), "more")
    by_relevance = kind is not None and data.draw(st.booleans(), "by_relevance")
    ask: tuple[Any, ...] = (several, users, experiences, rated, n)
    expected = brute_force(*ask, relevance, n + more, by_relevance, rules, opt_outs)
    for block_pairs in (1, 10_000):
        assert listed(*ask, block_pairs, relevance, n + more, by_relevance, rules, opt_outs) == expected


def test_only_who_asks_looks_further(monkeypatch: pytest.MonkeyPatch, cut: Cut) -> None:
    """Users 0, 2, 4... have rated what the others want most, so that the cap lets some look further than others."""
    users, experiences = np.arange(30), np.arange(60)
    rated = pd.concat([worlds.rated(users[::2], experiences, 0.6), worlds.rated(users[1::2], experiences, 0.1)])
    rules = Rules(np.minimum(experiences // 4, 9), np.array([50, 3]), 1)
    how: dict[str, Any] = {"n": 6, "scale": (-1e9, 1e9), "block_pairs": 10_000, "rules": rules, "threads": 1}
    ask = (worlds.predictor("factors", users, experiences), users, experiences, rated)
    whole = top_lists(*ask, **how)
    for stretch, looked_at in ((7, 1), (32, 100), (32, 10_000)):
        cut(stretch)
        monkeypatch.setattr(offering, "LOOKED_AT", looked_at)
        found = top_lists(*ask, **how)
        pd.testing.assert_frame_equal(found, whole, check_exact=False, atol=1e-5)
    assert whole.groupby("user_id").size().to_dict() == dict.fromkeys(range(30), 6)


@pytest.mark.parametrize("relevance", bits.RELEVANCE)
@pytest.mark.parametrize("kind", ["average", "factors"])
def test_the_same_bits(cut: Cut, kind: str, relevance: str | None) -> None:
    cut(100)
    bits.test_the_same_bits(kind, relevance)


@pytest.mark.parametrize("relevance", ["interactions", "factors"])
def test_candidates_only_are_the_same_to_the_bit(cut: Cut, relevance: str) -> None:
    cut(64)
    how: dict[str, Any] = {
        "n": 5,
        "scale": (-1e9, 1e9),
        "relevance": worlds.relevance(relevance, bits.USERS, bits.EXPERIENCES),
        "candidates": 8,
        "rules": bits.RULES,
    }
    ask = (worlds.predictor("average", bits.USERS, bits.EXPERIENCES), bits.ASKED, bits.OFFERED, bits.RATED)
    every, some = (
        top_lists(*ask, predict=predict, block_pairs=pairs, **how)
        for predict, pairs in (("all", 10_000), ("candidates", 300))
    )
    pd.testing.assert_frame_equal(every, some)


@pytest.mark.parametrize("place", [0, 63, 64, 299])
@pytest.mark.parametrize("side", ["predicted rating", "relevance"])
@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("kind", "compiled_from"), [("factors", lists.COMPILED_FROM), ("interactions", 1)])
def test_what_is_not_finite_is_refused_wherever_it_is(
    cut: Cut, monkeypatch: pytest.MonkeyPatch, place: int, side: str, broken: float, kind: str, compiled_from: int
) -> None:
    monkeypatch.setattr(lists, "COMPILED_FROM", compiled_from)
    cut(64)
    users, experiences = np.arange(4), np.arange(300)
    predictor = worlds.predictor("factors", users, experiences)
    relevance = worlds.relevance(kind, users, experiences)
    how: dict[str, Any] = {"n": 3, "scale": (1, 5), "block_pairs": 60, "relevance": relevance, "predict": "all"}
    if side == "relevance":
        relevance.matrix[:, place] = broken
    else:
        predictor.networks[0][1].weights["experience_bias"][place + 1] = broken
    with pytest.raises(TrainingDiverged, match=f"A {side} of users 0 to . is not a finite number"):
        top_lists(predictor, users, experiences, worlds.rated(users, experiences), **how)


@pytest.mark.parametrize("broken", [np.nan, 3e38])
def test_what_hidden_layers_make_of_an_experience_is_looked_at(cut: Cut, broken: float) -> None:
    cut(64)
    users, experiences = np.arange(4), np.arange(300)
    predictor = worlds.predictor("three layers", users, experiences)
    predictor.networks[0][1].weights["experience_embedding"][200] = broken
    with pytest.raises(TrainingDiverged, match=r"A predicted rating of users 0 to . is not a finite number"):
        top_lists(predictor, users, experiences, worlds.rated(users, experiences), n=3, scale=(1, 5), block_pairs=900)


def test_memory_does_not_grow_with_the_catalogue(cut: Cut) -> None:
    """48 users' values of 40,000 experiences would be 7.7 MB."""
    cut(512)
    users, experiences = np.arange(48), np.arange(40_000)
    maker = ListMaker(
        worlds.predictor("factors", users, experiences),
        experiences,
        n=10,
        scale=(1, 5),
        block_pairs=48 * 512,
        relevance=worlds.relevance("factors", users, experiences),
        candidates=10,
        rules=Rules(np.arange(40_000) // 4, np.array([7, 30_000]), 1),
        predict="all",
        threads=1,
    )
    rated, opt_outs = worlds.rated(users, experiences, share=0.0005), worlds.rated(users, experiences[:10])
    tracemalloc.start()
    try:
        lists = pd.concat(maker.lists(users, rated, opt_outs))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(lists) == 480
    assert peak < 2_500_000
