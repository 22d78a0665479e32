"""Models and people for the scoring tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender_job.config import Config, load_config
from recommender_job.ranking import cards
from recommender_job.ranking.bias import BiasModel
from recommender_job.ranking.ids import IdMap
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.relevance import RelevanceModel
from recommender_job.ranking.trained import TrainedModel
from recommender_job.ratings.clean import CLEAN, REJECTED
from recommender_job.ratings.extract import EXPERIENCE_RULES, OPT_OUTS
from recommender_job.ratings.extract import EXPERIENCES as OFFERED
from recommender_job.ratings.extract import USERS as PEOPLE
from recommender_job.runs import Run
from recommender_job.scoring import card
from recommender_job.settings import ModelConfig
from recommender_job.storage.artifacts import RunFolder
from recommender_job.tables import REFUSED_RATINGS, SOURCE_EXPERIENCE_RULES, SOURCE_OPT_OUTS

#: Ids as they occur: negative ones, small ones, and the largest that the database takes.
USERS = [-7, 1, 2, 3, 5, 8, 13, 2**62, 2**63 - 1]
EXPERIENCES = [-3, 4, 6, 10, 11, 12, 2**63 - 1]
CUTOFF = datetime(2023, 5, 3, tzinfo=UTC)
RUN = Run("tonight", CUTOFF)
RATED = [(1, 4), (1, 6), (2, 4), (3, 10), (5, 4), (5, 12), (8, 11)]


@pytest.fixture(scope="session")
def exact() -> Callable[..., TrainedModel]:
    """Makes a model whose weights are small multiples of 1/4.

    All sums and products of them are exact in float32, so that two ways of computing a prediction must agree to the
    bit, and equal predictions are frequent.
    """

    def make(seed: int = 0, **changes: Any) -> TrainedModel:
        settings = ModelConfig(**{"embedding_dimension": 3, "hidden_layers": (4, 2), **changes})
        random = np.random.default_rng(seed)

        def some(*shape: int) -> np.ndarray:
            return (random.integers(-2, 3, shape) / 4).astype(np.float32)

        weights = {
            "user_embedding": some(len(USERS) + 1, 3),
            "experience_embedding": some(len(EXPERIENCES) + 1, 3),
        }
        if settings.bias_terms:
            weights |= {"user_bias": some(len(USERS) + 1, 1), "experience_bias": some(len(EXPERIENCES) + 1, 1)}
        if settings.dense:
            width = 6
            for i, units in enumerate(settings.hidden_layers):
                weights |= {f"hidden_{i}_kernel": some(width, units), f"hidden_{i}_bias": some(units)}
                width = units
            weights["output_kernel"] = some(width, 1)
        weights["output_bias"] = np.array([3.5], np.float32)
        return TrainedModel(settings, IdMap(np.array(USERS)), IdMap(np.array(EXPERIENCES)), weights)

    return make


@pytest.fixture(scope="session")
def several(exact: Callable[..., TrainedModel]) -> Predictor:
    """Two networks of different shape and a bias model, whose weighted sums are exact in float32 too."""
    random = np.random.default_rng(4)

    def some(size: int) -> np.ndarray:
        return np.concatenate([[0.0], random.integers(-3, 4, size) / 4])

    # The bias model saw fewer users and experiences than the networks did.
    bias = BiasModel(IdMap(np.array(USERS[2:])), IdMap(np.array(EXPERIENCES[:-2])), 3.75, some(7), some(5))
    narrow = exact(seed=5, dense=False)
    deep = exact(seed=6, bias_terms=False)
    return Predictor(((0.5, narrow), (0.25, deep)), (0.25, bias))


@pytest.fixture(scope="session")
def wanted() -> Callable[..., RelevanceModel]:
    """Makes a relevance model whose values are exact in float32 and often equal.

    `interactions` learns from what a user has rated, `factors` knows users by their id, `popularity` knows nobody.
    Of the experiences asked for it knows five, and one that is not asked for; of the users it knows four.
    """

    def make(kind: str, lowest: int = -2) -> RelevanceModel:
        random = np.random.default_rng(8)
        users, experiences = IdMap(np.array([-7, 2, 5, 2**63 - 1])), IdMap(np.array([-3, 4, 6, 11, 12, 99]))
        rows = {"interactions": len(experiences), "factors": 3, "popularity": 0}[kind]
        matrix = (random.integers(lowest, 3, (rows, len(experiences))) / 4).astype(np.float32)
        factors = None
        if kind == "factors":
            own = random.integers(lowest, 3, (len(users), 3)) / 2
            factors = np.concatenate([np.zeros((1, 3)), own]).astype(np.float32)
        share = np.array([2, 4, 1, 4, 1, 3], np.float32) / 8
        return RelevanceModel(users, experiences, matrix, factors, share, 0.5)

    return make


@pytest.fixture(scope="session")
def asked() -> tuple[np.ndarray, np.ndarray]:
    """Users and experiences to score: those of the model and some that it has not seen."""
    users = sorted([*USERS, -100, 4, 2**40])
    experiences = sorted([*EXPERIENCES, 0, 7, 2**50])
    return np.array(users, np.int64), np.array(experiences, np.int64)


@pytest.fixture(scope="session")
def pairs() -> Callable[..., pd.DataFrame]:
    """Makes a frame of (user, experience) pairs."""
    return lambda *rated: pd.DataFrame(list(rated), columns=["user_id", "experience_id"], dtype="int64")


@pytest.fixture
def a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The processor passes for a card: a driver's file is there, and TensorFlow names its own CPU when asked for cards.

    Returns:
        The cards that pieces of blocks were computed on since, by name.
    """
    from recommender_job.ranking.tensorflow import tf

    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr(cards, "DRIVER_FILES", (tmp_path / "nvidiactl",))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    processors = tf.config.list_logical_devices("CPU")
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: processors if kind == "GPU" else [])
    used: list[str] = []
    compute = card.OnCard.every

    def noted(self: card.OnCard, *arguments: Any) -> None:
        used.append(self.card.name)
        compute(self, *arguments)

    monkeypatch.setattr(card.OnCard, "every", noted)
    return used


@pytest.fixture
def settings() -> Callable[..., Config]:
    """Makes a configuration without a database."""
    return lambda **changes: load_config({"shards": 3, "top_n": 4, **changes})


@pytest.fixture
def extracted(folder: RunFolder) -> RunFolder:
    """A run folder as extract and clean leave it: user 3 is inactive, user 7 never rated, four experiences count."""
    rated = pd.DataFrame(RATED, columns=["user_id", "experience_id"])
    at = pd.Timestamp("2023-01-01", tz="UTC").as_unit("us")
    folder.write_table(CLEAN, rated.assign(rating=np.float32(4), rated_at=at))
    folder.write_table(REJECTED, REFUSED_RATINGS.empty_table())
    people = pd.DataFrame({"user_id": [1, 2, 3, 5, 7, 8], "is_active": [True, True, False, True, True, True]})
    folder.write_table(PEOPLE, people)
    offered = pd.DataFrame(
        {
            "experience_id": [12, 4, 6, 10, 11, 13],
            "name": ["twelve", "four", "six", "ten", "eleven", "thirteen"],
            "is_active": [True, True, True, True, True, False],
            "available_from": pd.Series([None] * 6, dtype="datetime64[us, UTC]"),
            "available_until": pd.Series([None, None, None, CUTOFF, None, None], dtype="datetime64[us, UTC]"),
        }
    )
    folder.write_table(OFFERED, offered)
    folder.write_table(EXPERIENCE_RULES, SOURCE_EXPERIENCE_RULES.empty_table())
    folder.write_table(OPT_OUTS, SOURCE_OPT_OUTS.empty_table())
    return folder
