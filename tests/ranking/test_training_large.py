"""Trainers of large tables and of ratings that do not fit into memory train what others do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender_job.ranking.encoded import Spill
from recommender_job.ranking.ids import IdMap
from recommender_job.ranking.trainer import Trainer
from recommender_job.settings import ModelConfig
from tests.ranking import worlds

Settings = Callable[..., ModelConfig]

SMALL: dict[str, Any] = {
    "hidden_layers": (4,),
    "embedding_init": 0.1,
    "epochs": 4,
    "batch_size": 16,
    "learning_rate": 0.02,
    "l2_embedding": 0.05,
}


@pytest.fixture(scope="module")
def ratings() -> pd.DataFrame:
    return worlds.noise()


def trainer(ratings: pd.DataFrame, settings: ModelConfig, **means: Any) -> Trainer:
    ids = (IdMap.of(ratings[column].to_numpy()) for column in ("user_id", "experience_id"))
    return Trainer(*ids, settings, **means)


def epochs_of(one: Trainer, ratings: pd.DataFrame, settings: ModelConfig, seed: int = 1) -> list[np.ndarray]:
    """Predictions of all ratings after each epoch."""
    found: list[np.ndarray] = []

    def keep(epoch: int) -> bool:
        found.append(one.predict(ratings))
        return True

    one.fit(ratings, settings, seed=seed, after_epoch=keep)
    return found


@pytest.fixture
def all_large(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on, every table counts as large."""
    from recommender_job.ranking import graph

    return lambda: monkeypatch.setattr(graph, "LARGE", 1)


@pytest.mark.parametrize("terms", [{}, {"biases": "closed_form"}, {"bias_terms": False, "unseen": "random"}])
def test_large_tables_are_trained_to_what_small_ones_are(
    ratings: pd.DataFrame, plain: Settings, all_large: Callable[[], None], terms: dict[str, Any]
) -> None:
    settings = plain(**SMALL, **terms)
    expected = epochs_of(trainer(ratings, settings), ratings, settings)
    all_large()
    one = trainer(ratings, settings)
    found = epochs_of(one, ratings, settings)
    assert len(one._graph._behind) == 2  # it really goes the other way
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert np.abs(expected[-1] - expected[0]).max() > 0.05


def test_a_used_trainer_of_large_tables_trains_what_a_fresh_one_does(
    ratings: pd.DataFrame, plain: Settings, all_large: Callable[[], None]
) -> None:
    all_large()
    settings = plain(**SMALL)
    used = trainer(ratings, settings)
    first = epochs_of(used, ratings, settings)
    epochs_of(used, ratings.head(100), settings.model_copy(update={"learning_rate": 0.1}), seed=2)
    assert all(map(np.array_equal, epochs_of(used, ratings, settings), first))
    assert all(map(np.array_equal, epochs_of(trainer(ratings, settings), ratings, settings), first))
    assert [done.numpy().max() for done in used._graph.optimizer._done.values()] == [4 * 35] * 4
    used._graph.restart(0.02, train_biases=True)
    assert [done.numpy().max() for done in used._graph.optimizer._done.values()] == [0] * 4


def test_tables_are_large_from_a_number_of_ids_on(plain: Settings) -> None:
    from recommender_job.ranking.adam import LARGE
    from recommender_job.ranking.graph import Graph

    assert not Graph(LARGE - 1, 5, plain(), "auto")._behind
    assert list(Graph(LARGE, 5, plain(), "auto")._behind) == ["user"]
    assert list(Graph(5, LARGE, plain(), "auto")._behind) == ["experience"]
    assert not Graph(LARGE, LARGE, plain(optimizer="adagrad"), "auto")._behind


def test_ratings_on_the_disk_are_learned_like_those_in_memory(
    plain: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recommender_job.ranking import shuffled

    monkeypatch.setattr(shuffled, "BLOCK", 8)
    ratings = worlds.tastes()
    settings = plain(**{**SMALL, "dense": False, "epochs": 40, "learning_rate": 0.05, "l2_embedding": 0.0})
    held = np.random.default_rng(0).random(len(ratings)) < 0.2
    rmse = {}
    for name, spill in {"memory": None, "disk": Spill(tmp_path, 100), "large enough": Spill(tmp_path, 10**6)}.items():
        one = trainer(ratings, settings, spill=spill)
        epochs, loss = one.fit(ratings[~held], settings, seed=1)
        errors = one.predict(ratings[held]) - ratings["rating"][held].to_numpy()
        rmse[name] = float(np.sqrt(np.mean(errors**2)))
        assert not list(tmp_path.iterdir())
        assert (epochs, loss) == (40, pytest.approx(0, abs=0.1))
    assert rmse["large enough"] == rmse["memory"] != rmse["disk"]
    assert max(rmse.values()) < 0.5  # of a standard deviation of 2
