"""One trainer for many trainings: what came before leaves no trace, and ids without ratings count as unseen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender_job.errors import TrainingDiverged
from recommender_job.ranking.bias import BiasModel
from recommender_job.ranking.ids import IdMap
from recommender_job.ranking.trainer import Trainer, Trainers
from recommender_job.ranking.training import fit
from recommender_job.settings import ModelConfig
from tests.ranking import worlds

Settings = Callable[..., ModelConfig]

SMALL: dict[str, Any] = {
    "hidden_layers": (4,),
    "embedding_init": 0.1,
    "epochs": 3,
    "batch_size": 64,
    "learning_rate": 0.02,
}


@pytest.fixture(scope="module")
def ratings() -> pd.DataFrame:
    return worlds.noise()


@pytest.fixture(scope="module")
def trainers(ratings: pd.DataFrame) -> Trainers:
    return Trainers(ratings)


def same(weights: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> bool:
    return weights.keys() == others.keys() and all(np.array_equal(weights[name], others[name]) for name in weights)


def fresh(ratings: pd.DataFrame, settings: ModelConfig) -> Trainer:
    return Trainer(IdMap.of(ratings["user_id"].to_numpy()), IdMap.of(ratings["experience_id"].to_numpy()), settings)


@pytest.mark.parametrize("optimizer", ["adam", "adagrad"])
def test_a_used_trainer_trains_what_a_fresh_one_does(ratings: pd.DataFrame, plain: Settings, optimizer: str) -> None:
    first = plain(**SMALL, optimizer=optimizer)
    tuned = {"l2_embedding": 0.3, "l2_bias": 0.1, "l2_dense": 0.2, "learning_rate": 0.1, "batch_size": 37, "epochs": 2}
    other = plain(**{**SMALL, **tuned}, optimizer=optimizer, biases="closed_form", output_bias_at_mean=False)
    used = fresh(ratings, first)
    results = []
    for settings, seed in ((first, 1), (other, 2), (first, 1), (first, 3), (other, 2)):
        used.fit(ratings, settings, seed=seed)
        results.append(used.weights())
    assert same(results[0], results[2])
    assert same(results[1], results[4])
    assert not same(results[0], results[3])
    alone = fresh(ratings, other)
    alone.fit(ratings, other, seed=2)
    assert same(alone.weights(), results[1])
    assert alone.fit(ratings, first, seed=3) == used.fit(ratings, first, seed=3)


def test_a_training_that_diverged_leaves_no_trace(ratings: pd.DataFrame, plain: Settings, trainers: Trainers) -> None:
    settings = plain(**SMALL)
    expected, _ = fit(ratings, settings, seed=1)
    with pytest.raises(TrainingDiverged):
        fit(ratings, settings.model_copy(update={"learning_rate": 1e30, "epochs": 30}), seed=1, trainers=trainers)
    assert fit(ratings, settings, seed=1, trainers=trainers)[0].version == expected.version


def test_settings_of_one_shape_share_a_trainer(plain: Settings, trainers: Trainers) -> None:
    one = trainers.of(plain(**SMALL))
    assert trainers.of(plain(**{**SMALL, "epochs": 9, "l2_bias": 1.0, "seeds": 3, "validation_share": 0.5})) is one
    assert trainers.of(plain(**SMALL, dot_product=False)) is not one


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_layers": (5,)},
        {"embedding_dimension": 3},
        {"dot_product": False},
        {"bias_terms": False},
        {"dense": False},
        {"unseen": "random"},
        {"optimizer": "adagrad"},
    ],
)
def test_a_trainer_refuses_settings_of_another_shape(
    ratings: pd.DataFrame, plain: Settings, trainers: Trainers, change: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="cannot train"):
        trainers.of(plain(**SMALL)).fit(ratings, plain(**{**SMALL, **change}), seed=1)


@pytest.mark.parametrize("unseen", ["zero", "random"])
def test_ids_without_ratings_are_unseen_and_left_out(plain: Settings, ratings: pd.DataFrame, unseen: str) -> None:
    settings = plain(**SMALL, unseen=unseen)
    trainer = fresh(ratings, settings)
    trainer.fit(ratings, settings, seed=1)  # everybody is known first
    part = ratings[(ratings["user_id"] > 104) & ~ratings["experience_id"].isin([503, 510])]
    trainer.fit(part, settings, seed=1)
    model = trainer.trained(settings)
    assert model.users.ids.tolist() == sorted(part["user_id"].unique())
    assert model.experiences.ids.tolist() == sorted(part["experience_id"].unique())
    assert model.weights["user_embedding"].shape == (len(model.users) + 1, 2)
    assert model.weights["experience_bias"].shape == (len(model.experiences) + 1, 1)
    assert model.settings == settings
    # 100 and 503 have rows in the trainer but no ratings: they are predicted as 7 and 9, whom nobody has heard of.
    asked = pd.DataFrame({"user_id": [120, 100, 7, 120, 120, 7], "experience_id": [501, 501, 501, 503, 9, 503]})
    predicted = trainer.predict(asked)
    assert predicted[1] == predicted[2] != predicted[0]
    assert predicted[3] == predicted[4] != predicted[5]
    users, experiences = asked["user_id"].to_numpy(), asked["experience_id"].to_numpy()
    np.testing.assert_allclose(model.predict(users, experiences), predicted, atol=1e-6)


def test_closed_form_biases_stay_those_of_the_bias_model(ratings: pd.DataFrame, plain: Settings) -> None:
    settings = plain(
        **SMALL, biases="closed_form", user_shrinkage=3.0, experience_shrinkage=7.0, l2_bias=5.0, l2_embedding=0.1
    )
    trainer = fresh(ratings, settings)
    part = ratings[(ratings["user_id"] > 104) & (ratings["experience_id"] != 503)]
    expected = BiasModel.fit(part, user_shrinkage=3.0, experience_shrinkage=7.0)
    epochs = []

    def unchanged(epoch: int) -> bool:
        model = trainer.trained(settings)
        np.testing.assert_array_equal(model.weights["user_bias"][:, 0], expected.user.astype(np.float32))
        np.testing.assert_array_equal(model.weights["experience_bias"][:, 0], expected.experience.astype(np.float32))
        epochs.append(epoch)
        return True

    trainer.fit(part, settings, seed=1, after_epoch=unchanged)
    assert epochs == [1, 2, 3]
    assert trainer.weights()["output_bias"][0] != np.float32(part["rating"].mean())  # the rest goes on learning
    learned = settings.model_copy(update={"biases": "learned"})
    trainer.fit(part, learned, seed=1)
    assert not np.allclose(trainer.trained(learned).weights["user_bias"][:, 0], expected.user, atol=0.01)


def test_training_ends_when_it_is_told_to(ratings: pd.DataFrame, plain: Settings, trainers: Trainers) -> None:
    settings = plain(**{**SMALL, "epochs": 20})
    trainer = trainers.of(settings)
    assert trainer.fit(ratings, settings, seed=1, after_epoch=lambda epoch: epoch < 2)[0] == 2
    stopped = trainer.weights()
    trainer.fit(ratings, settings.model_copy(update={"epochs": 2}), seed=1)
    assert same(trainer.weights(), stopped)


@pytest.mark.parametrize("terms", [{"dense": False}, {"hidden_layers": (8,), "embedding_init": 0.1}])
@pytest.mark.parametrize("how", ["learned", "closed_form"])
def test_an_unseen_user_gets_the_mean_and_what_the_experience_deviates_by(
    plain: Settings, how: str, terms: dict[str, Any]
) -> None:
    ratings = worlds.biases()
    settings = plain(
        **{"epochs": 60, "learning_rate": 0.02, "batch_size": 64, "l2_embedding": 0.5, "l2_dense": 0.1, **terms},
        l2_bias=0.01,
        biases=how,
        experience_shrinkage=0.0,
    )
    model, _ = fit(ratings, settings, seed=1)
    experiences = np.unique(ratings["experience_id"])
    predicted = model.predict(np.full(len(experiences), 7), experiences)
    prior = BiasModel.fit(ratings, user_shrinkage=0.5, experience_shrinkage=0.0)
    expected = prior.predict(np.full(len(experiences), 7), experiences)
    assert expected.std() > 0.4
    np.testing.assert_allclose(predicted, expected, atol=0.2)
    stranger = model.predict(np.array([7]), np.array([9]))
    assert stranger[0] == pytest.approx(prior.mean, abs=0.2)
