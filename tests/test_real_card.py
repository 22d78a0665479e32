"""On a real graphics card: training, and lists beside those of the processor. Skipped where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender_job.errors import TrainingDiverged
from recommender_job.ranking.cards import has_card, usable_cards
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.trainer import Trainers
from recommender_job.scoring.lists import top_lists
from recommender_job.settings import Devices, ModelConfig
from tests.ranking import worlds as rated_worlds
from tests.scoring import random_worlds as worlds
from tests.scoring.test_card import BROKEN, EXPERIENCES, LAYERED, USERS, alone, broken
from tests.scoring.test_float_reference import EXACT, hold_against_the_model, hold_to_the_bit

pytestmark = pytest.mark.skipif(
    not has_card() or not usable_cards("auto"), reason="TensorFlow sees no graphics card on this machine"
)


def lists(predictor: Predictor, devices: Devices, **how: Any) -> pd.DataFrame:
    ask = (predictor, USERS, EXPERIENCES, worlds.rated(USERS, EXPERIENCES))
    return top_lists(*ask, devices=devices, **{"n": 6, "scale": (-1e9, 1e9), "block_pairs": 4_000, **how})


@pytest.mark.parametrize("size", [1e-6, 1.0, 300.0])
@pytest.mark.parametrize("kind", LAYERED)
def test_lists_are_those_of_the_model_up_to_rounding(kind: str, size: float) -> None:
    hold_against_the_model(kind, size, "auto")


@pytest.mark.parametrize(("kind", "power"), EXACT)
def test_ties_and_huge_and_tiny_values(kind: str, power: int) -> None:
    hold_to_the_bit(kind, power, "auto")


def test_lists_are_the_same_again_and_nearly_so_in_other_blocks() -> None:
    predictor = worlds.predictor("average", USERS, EXPERIENCES)
    whole = lists(predictor, "auto")
    pd.testing.assert_frame_equal(lists(predictor, "auto"), whole, check_exact=True)
    for devices in ("auto", "all_gpus", "cpu"):
        found = lists(predictor, devices, block_pairs=500)
        assert found["experience_id"].equals(whole["experience_id"])
        np.testing.assert_allclose(found["predicted_rating"], whole["predicted_rating"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("predict", ["all", "candidates"])
def test_lists_that_relevance_picks_have_the_same_bits(predict: str) -> None:
    predictor = worlds.predictor("average", USERS, EXPERIENCES)
    how = {"relevance": worlds.relevance("factors", USERS, EXPERIENCES), "candidates": 9, "predict": predict}
    pd.testing.assert_frame_equal(lists(predictor, "auto", **how), lists(predictor, "cpu", **how), check_exact=True)


@pytest.mark.parametrize(("place", "value"), BROKEN)
def test_what_is_not_finite_is_refused(place: str, value: float) -> None:
    with pytest.raises(TrainingDiverged):
        lists(alone(broken(place, value)), "auto")


@pytest.mark.parametrize("large", [True, False])
@pytest.mark.parametrize("optimizer", ["adam", "adagrad"])
def test_a_training_repeats_and_is_nearly_the_processors(
    optimizer: str, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recommender_job.ranking import graph

    monkeypatch.setattr(graph, "LARGE", 1 if large else 10**9)
    ratings = rated_worlds.tastes()
    settings = ModelConfig(
        hidden_layers=(16,), embedding_dimension=8, epochs=5, batch_size=32, learning_rate=0.01, optimizer=optimizer
    )
    found = {}
    for devices in ("auto", "all_gpus", "cpu"):
        trainer = Trainers(ratings, devices=devices).of(settings)
        losses = [trainer.fit(ratings, settings, seed=1)[1] for _ in range(2)]
        assert losses[0] == losses[1]
        found[devices] = losses[0], trainer.predict(ratings)
        on_card = "GPU" in trainer._graph.model.user_embedding.embeddings.device
        assert on_card == (devices != "cpu")
    for loss, predicted in found.values():
        assert loss == pytest.approx(found["cpu"][0], rel=1e-4)
        np.testing.assert_allclose(predicted, found["cpu"][1], rtol=0, atol=1e-3)
