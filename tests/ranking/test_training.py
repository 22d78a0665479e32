"""Training: repeatable to the bit, able to learn, stops where it should, and says when it diverged."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender_job.config import load_config
from recommender_job.errors import TrainingDiverged
from recommender_job.ranking.training import fit
from recommender_job.settings import ModelConfig

Frames = Callable[..., pd.DataFrame]
Settings = Callable[..., ModelConfig]

SMALL = {"hidden_layers": (4,), "embedding_init": 0.05, "epochs": 2, "batch_size": 16}
_ELSEWHERE = """
import numpy as np, pandas as pd, sys
from recommender_job.settings import ModelConfig
from recommender_job.ranking.training import fit
print(fit(pd.read_json(sys.argv[1]), ModelConfig.model_validate_json(sys.argv[2]), seed=5)[0].version)
"""


@pytest.fixture(scope="module")
def noise(frame: Frames) -> pd.DataFrame:
    """Ratings that no taste explains."""
    random = np.random.default_rng(0)
    pairs = [(user, experience) for user in range(20) for experience in range(10) if random.random() < 0.6]
    return frame([(user, experience, float(random.integers(1, 6))) for user, experience in pairs])


@pytest.fixture(scope="module")
def tastes(frame: Frames) -> pd.DataFrame:
    """Even users love even experiences and hate odd ones; odd users the other way round."""
    return frame([(u, e, 5.0 if (u + e) % 2 == 0 else 1.0) for u in range(24) for e in range(12)])


@pytest.fixture(scope="module")
def mixed(tastes: pd.DataFrame) -> pd.DataFrame:
    """Tastes, of which a third was rolled with a die: after some epochs a model only learns the die."""
    random = np.random.default_rng(4)
    rolled = random.integers(1, 6, len(tastes)).astype(np.float32)
    return tastes.assign(rating=tastes["rating"].where(random.random(len(tastes)) < 0.67, rolled))


def test_every_rating_is_trained_on(frame: Frames, noise: pd.DataFrame) -> None:
    alone = [frame([(user, 0, 3.0)]) for user in (500, 501)]
    model, fitted = fit(pd.concat([alone[0], noise, alone[1]], ignore_index=True), ModelConfig(**SMALL), seed=1)
    assert set(model.users.ids) == {*noise["user_id"], 500, 501}
    assert fitted["pairs"] == len(noise) + 2


def test_same_seed_same_weights_here_and_in_another_process(noise: pd.DataFrame, plain: Settings) -> None:
    ratings = noise[["user_id", "experience_id", "rating"]]
    first, again = (fit(ratings, plain(**SMALL), seed=5)[0] for _ in range(2))
    assert first.weights.keys() == again.weights.keys()
    for name, values in first.weights.items():
        np.testing.assert_array_equal(again.weights[name], values, err_msg=name)
    ratings.to_json("ratings.json")
    arguments = ["ratings.json", plain(**SMALL).model_dump_json()]
    told = subprocess.run(
        [sys.executable, "-c", _ELSEWHERE, *arguments], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert told.stdout.strip() == first.version


def test_another_seed_gives_other_weights(noise: pd.DataFrame, plain: Settings) -> None:
    first, other = (fit(noise, plain(**SMALL), seed=seed)[0] for seed in (5, 6))
    for name in ("user_embedding", "experience_embedding", "hidden_0_kernel", "output_kernel"):
        assert not np.array_equal(first.weights[name], other.weights[name]), name


def test_figures_and_progress(noise: pd.DataFrame, plain: Settings) -> None:
    calls: list[tuple[int, int]] = []
    before = noise.copy()
    model, figures = fit(noise, plain(epochs=3), seed=1, progress=lambda *call: calls.append(call))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert figures["epochs"] == 3
    assert figures["pairs"] == len(noise)
    # One batch and no penalty: the loss of the last epoch is that of the weights before its step, still the variance.
    assert figures["loss"] == pytest.approx(float(noise["rating"].var(ddof=0)), rel=0.05)
    assert model.users.ids.tolist() == sorted(noise["user_id"].unique())
    assert model.experiences.ids.tolist() == sorted(noise["experience_id"].unique())
    pd.testing.assert_frame_equal(noise, before)


@pytest.mark.parametrize("terms", [{"dot_product": True, "hidden_layers": ()}, {"hidden_layers": (16, 8)}])
def test_a_planted_taste_is_learned(tastes: pd.DataFrame, plain: Settings, terms: dict[str, Any]) -> None:
    held = np.random.default_rng(1).random(len(tastes)) < 0.25
    settings = plain(
        **{"dot_product": False, "bias_terms": False, "embedding_init": 0.3, "learning_rate": 0.02, **terms},
        embedding_dimension=4,
        epochs=60,
        batch_size=32,
    )
    model, _ = fit(tastes[~held], settings, seed=3)
    unseen = tastes[held]
    predicted = model.predict(unseen["user_id"].to_numpy(), unseen["experience_id"].to_numpy())
    rmse = float(np.sqrt(np.mean((predicted - unseen["rating"]) ** 2)))
    always_the_mean = float(np.sqrt(np.mean((tastes[~held]["rating"].mean() - unseen["rating"]) ** 2)))
    assert always_the_mean > 1.9
    assert rmse < 0.5 * always_the_mean


def test_stopping_early_keeps_the_weights_of_the_best_epoch(mixed: pd.DataFrame, plain: Settings) -> None:
    settings = {"embedding_init": 0.3, "embedding_dimension": 16, "learning_rate": 0.02, "validation_share": 0.3}
    calls: list[int] = []
    stopped, figures = fit(
        mixed, plain(**settings, epochs=60, patience=4), seed=2, progress=lambda epoch, epochs: calls.append(epoch)
    )
    best = figures["epochs"]
    assert 1 < best < 50
    assert calls[-1] == best + 4
    assert figures["pairs"] == len(mixed)
    # Training for exactly that many epochs, and one in which patience never runs out, end with the same weights.
    for epochs in (best, best + 2):
        exact, again = fit(mixed, plain(**settings, epochs=epochs, patience=60), seed=2)
        assert again["epochs"] == best
        for name, values in stopped.weights.items():
            np.testing.assert_array_equal(exact.weights[name], values, err_msg=f"{name} of {epochs} epochs")


def test_without_a_validation_share_every_epoch_is_run(noise: pd.DataFrame, plain: Settings) -> None:
    settings = plain(embedding_init=0.3, embedding_dimension=16, learning_rate=0.02, epochs=12, patience=1)
    assert fit(noise, settings, seed=2)[1]["epochs"] == 12


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_an_absurd_learning_rate_is_told(noise: pd.DataFrame, plain: Settings, share: float) -> None:
    settings = plain(**{**SMALL, "epochs": 30, "learning_rate": 1e30, "validation_share": share})
    with pytest.raises(TrainingDiverged, match="not finite") as caught:
        fit(noise, settings, seed=1)
    assert "model.learning_rate" in caught.value.action


def test_preset_seed_takes_one_adagrad_step_of_a_tenth_on_all_ratings_at_once(frame: Frames) -> None:
    settings = load_config({"preset": "seed", "model.epochs": 1, "model.embedding_init": 0.0}).model
    ratings = frame([(user, experience, 5.0) for user in range(30) for experience in range(20)])
    model, figures = fit(ratings, settings, seed=1)
    # Zero vectors predict 0; the gradient of (p - 5)² is -10, and Adagrad starts with 0.1 in its accumulator.
    assert figures["loss"] == 25.0
    assert model.weights["output_bias"][0] == pytest.approx(0.1 * 10 / np.sqrt(0.1 + 100), abs=1e-7)
    default = fit(ratings, settings.model_copy(update={"optimizer": "adam"}), seed=1)[0]
    assert default.weights["output_bias"][0] == pytest.approx(0.1, abs=1e-6)


def test_preset_seed_goes_for_a_thousand_epochs(frame: Frames) -> None:
    class Seen(Exception):
        """Ends the training after its first epoch."""

    def stop(epoch: int, epochs: int) -> None:
        raise Seen(f"{epoch} of {epochs}")

    with pytest.raises(Seen, match=r"^1 of 1000$"):
        fit(frame([(1, 1, 5.0), (2, 1, 4.0)]), load_config({"preset": "seed"}).model, seed=1, progress=stop)
