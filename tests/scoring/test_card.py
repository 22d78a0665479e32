"""Hidden layers on a card: the same numbers but for rounding, the same lists, a bounded memory.

There is no card here: TensorFlow's own processor device does the work (`a_card`). What only a real one can show is in
`tests/test_real_card.py`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender_job.errors import TrainingDiverged
from recommender_job.ranking.trained import TrainedModel
from recommender_job.scoring import card, predicted
from recommender_job.scoring.card import Card, CardNetwork, cards_of
from recommender_job.scoring.lists import top_lists
from recommender_job.scoring.networks import Network
from tests.scoring import random_worlds as worlds
from tests.scoring.reference import alone, brute_force, some_rated

USERS, EXPERIENCES = np.arange(70), np.arange(1, 400, 3)
LAYERED = [kind for kind, shape in worlds.KINDS.items() if shape.get("hidden_layers")]
PROCESSOR = "/device:CPU:0"


def both(kind: str, size: float = 1.0, cards: int = 1) -> tuple[Network, CardNetwork, list[np.ndarray]]:
    """A network on the processor, the same on cards, and what its users have in common."""
    model = worlds.network(kind, USERS, EXPERIENCES, seed=4, size=size)
    vectors, _ = model.rows("experience", EXPERIENCES)
    network = Network(model, 0.7, vectors)
    shifts, _ = network.shifts(model.rows("user", USERS)[0])
    return network, CardNetwork(model, 0.7, vectors, [Card(PROCESSOR) for _ in range(cards)]), shifts


def every(network: Network, shifts: list[np.ndarray], first: int, stop: int, start: float | None = None) -> np.ndarray:
    out = np.full((len(shifts[0]), stop - first), np.nan if start is None else start, np.float32)
    network.every(shifts, out, first, add=start is not None)
    return out


@pytest.mark.parametrize("kind", LAYERED)
@pytest.mark.parametrize("size", [0.3, 1.0, 1e6])
@pytest.mark.parametrize("piece", [1, 20_000, 2**27])
def test_a_card_computes_what_the_processor_does(
    kind: str, size: float, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card, "PIECE", piece)
    network, on_card, shifts = both(kind, size)
    for first, stop, start in ((0, len(EXPERIENCES), None), (7, 90, None), (50, 51, 2.0)):
        expected, found = (every(one, shifts, first, stop, start) for one in (network, on_card))
        error = 16 * np.finfo(np.float32).eps * float(np.abs(expected).max())
        np.testing.assert_allclose(found, expected, rtol=0, atol=error)
        assert len(np.unique(expected)) > len(USERS) / 2


def test_some_pairs_are_predicted_as_ever() -> None:
    """Not on the card, to the bit: where relevance picks, lists are made of these."""
    network, on_card, shifts = both("everything")
    places = np.random.default_rng(0).integers(0, len(EXPERIENCES), (len(USERS), 5))
    found = [np.zeros(places.shape, np.float32) for _ in range(2)]
    network.add_some(shifts, places, found[0])
    on_card.add_some(shifts, places, found[1])
    np.testing.assert_array_equal(*found)


def test_blocks_go_to_the_cards_in_turn(a_card: list[str]) -> None:
    model = worlds.network("one layer", USERS, EXPERIENCES)
    on_cards = CardNetwork(model, 1.0, model.rows("experience", EXPERIENCES)[0], [Card(PROCESSOR), Card("/cpu:0")])
    shifts, _ = on_cards.shifts(model.rows("user", USERS)[0])
    first, second, third = (every(on_cards, shifts, 0, 9) for _ in range(3))
    assert a_card == [PROCESSOR, "/cpu:0", PROCESSOR]
    np.testing.assert_allclose(first, second, rtol=1e-5)
    np.testing.assert_array_equal(first, third)


def test_a_card_holds_a_bounded_piece_of_one_size(monkeypatch: pytest.MonkeyPatch) -> None:
    network, on_card, shifts = both("three layers")
    units = sum(worlds.KINDS["three layers"]["hidden_layers"])
    monkeypatch.setattr(card, "PIECE", 30 * 100 * 2 * units)
    (place,) = {next(on_card._turns)}
    through, shapes = place._through, []

    def noted(part: Any, *own: np.ndarray) -> Any:
        shapes.append((part.shape[0], *(len(shift) for shift in own)))
        return through(part, *own)

    monkeypatch.setattr(place, "_through", noted)
    np.testing.assert_allclose(every(on_card, shifts, 0, 100), every(network, shifts, 0, 100), rtol=1e-4, atol=1e-4)
    assert shapes == [(100, 30, 30, 30)] * 3  # of 70 users
    monkeypatch.setattr(card, "USERS", 64)
    every(on_card, shifts, 0, 2)
    assert shapes[3:] == [(2, 64, 64, 64)] * 2


def test_threads_take_turns_with_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    _, on_card, shifts = both("one layer")
    place = next(on_card._turns)
    through, now, most, lock = place._through, 0, 0, threading.Lock()

    def slow(*given: Any) -> Any:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.05)
        with lock:
            now -= 1
        return through(*given)

    monkeypatch.setattr(place, "_through", slow)
    threads = [threading.Thread(target=every, args=(on_card, shifts, 0, 20)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == card.AT_ONCE


@pytest.mark.parametrize("shape", [{}, {"hidden_layers": (4,), "bias_terms": False}, {"hidden_layers": (5, 3, 2)}])
def test_lists_with_ties_are_the_same_to_the_bit(
    exact: Callable[..., TrainedModel], asked: tuple[np.ndarray, np.ndarray], shape: dict[str, Any], a_card: list[str]
) -> None:
    """Sums of these weights are not rounded: nothing may differ, and equal ratings stand in the order of their ids."""
    users, experiences = asked
    predictor, rated = alone(exact(seed=3, **shape)), some_rated(*asked)
    found = top_lists(predictor, users, experiences, rated, n=5, scale=(1.0, 5.0), block_pairs=30, devices="auto")
    expected = brute_force(predictor, users, experiences, rated, 5)
    assert list(found.itertuples(index=False, name=None)) == expected
    ratings = pd.DataFrame(expected, columns=["user", "rank", "experience", "rating"]).groupby("user")["rating"]
    assert (ratings.nunique() < ratings.size()).any()
    assert len(a_card) > 1


@pytest.mark.parametrize("kind", ["interactions", "factors"])
@pytest.mark.parametrize("predict", ["all", "candidates"])
def test_lists_that_relevance_picks_have_the_same_bits(
    kind: str, predict: str, a_card: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(predicted, "cards_of", lambda devices: asked.append(devices) or cards_of(devices))
    predictor = worlds.predictor("average", USERS, EXPERIENCES)
    how: dict[str, Any] = {"n": 6, "scale": (-1e9, 1e9), "block_pairs": 4_000, "candidates": 9, "predict": predict}
    how["relevance"] = worlds.relevance(kind, USERS, EXPERIENCES)
    ask = (predictor, USERS, EXPERIENCES, worlds.rated(USERS, EXPERIENCES))
    pd.testing.assert_frame_equal(
        top_lists(*ask, devices="auto", **how), top_lists(*ask, devices="cpu", **how), check_exact=True
    )
    # Of candidates only, there is nothing for a card to do, and none is looked for.
    assert bool(a_card) == (predict == "all")
    assert asked == ["auto" if predict == "all" else "cpu", "cpu"]


def test_lists_by_rating_alone_depend_on_the_block_in_last_bits_at_most(a_card: list[str]) -> None:
    ask = (worlds.predictor("average", USERS, EXPERIENCES), USERS, EXPERIENCES, worlds.rated(USERS, EXPERIENCES))
    how: dict[str, Any] = {"n": 6, "scale": (-1e9, 1e9), "devices": "auto"}
    whole = top_lists(*ask, block_pairs=10**6, threads=1, **how)
    for block_pairs, threads in ((1, 1), (900, 2), (5_000, 3)):
        found = top_lists(*ask, block_pairs=block_pairs, threads=threads, **how)
        assert found["experience_id"].equals(whole["experience_id"])
        np.testing.assert_allclose(found["predicted_rating"], whole["predicted_rating"], rtol=0, atol=1e-5)
    assert len(a_card) > 20


#: Not a number comes with an experience only: a kernel would give it to what users have in common too.
BROKEN = [("first layer", 3e38), ("first layer", np.nan), ("second layer", 3e38)]


def broken(place: str, value: float) -> TrainedModel:
    """Not finite where hidden layers are computed for a pair, and nowhere else: nothing is common to users' pairs."""
    model = worlds.network("three layers", USERS, EXPERIENCES)
    for name in ("user_embedding", "hidden_0_bias", "hidden_1_bias"):
        model.weights[name][:] = 0
    for name in ("hidden_1_kernel", "hidden_2_kernel", "output_kernel"):  # else both infinities would meet
        np.abs(model.weights[name], out=model.weights[name])
    if place == "first layer":
        model.weights["experience_embedding"][5] = value
        model.weights["hidden_0_kernel"][worlds.WIDTH :] = 10
    else:
        model.weights["hidden_1_kernel"][:] = value
    return model


@pytest.mark.parametrize(("place", "value"), BROKEN)
def test_what_is_not_finite_on_a_card_is_refused(place: str, value: float, a_card: list[str]) -> None:
    with pytest.raises(TrainingDiverged, match="predicted rating of users"):
        top_lists(
            alone(broken(place, value)),
            USERS,
            EXPERIENCES,
            worlds.rated(USERS, EXPERIENCES),
            n=3,
            scale=(1, 5),
            block_pairs=1000,
            devices="auto",
        )
    assert a_card
