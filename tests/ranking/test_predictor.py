"""The predictor: averages worked out by hand, saved to the bit, named by what is in it, and trained by its recipe."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender_job.ranking.bias import BiasModel
from recommender_job.ranking.predictor import Predictor, train_predictor
from recommender_job.ranking.recipe import BiasPart, Member, Recipe
from recommender_job.ranking.trained import TrainedModel
from recommender_job.ranking.trainer import Trainers
from recommender_job.ranking.training import fit
from recommender_job.settings import ModelConfig
from tests.ranking import worlds

Models = Callable[..., TrainedModel]
Settings = Callable[..., ModelConfig]
Biases = Callable[..., BiasModel]

USERS, EXPERIENCES = np.array([10, 10, 20, 99, 10, 99]), np.array([7, 9, 9, 7, 99, 99])
#: What the network without dense layers predicts: 3, the biases and the dot product; unseen ids are zeros.
NETWORK = np.array([3 + 1.25 + 2.5, 3 + 2.25 + 7, 3 + 1.5 - 7, 3 + 1, 3 + 0.25, 3])
#: And the bias model of `bias_by_hand`.
BIAS = np.array([4.5 - 0.25, 4.5 + 0.75, 3.75 + 0.75, 4 - 0.25, 4.5, 4])
SMALL: dict[str, Any] = {"hidden_layers": (4,), "embedding_init": 0.1, "epochs": 3, "batch_size": 64}
_ELSEWHERE = """
import pandas as pd, sys
from recommender_job.ranking.predictor import train_predictor
from recommender_job.ranking.recipe import Recipe
print(train_predictor(pd.read_json(sys.argv[1]), Recipe.model_validate_json(sys.argv[2]))[0].version)
"""


@pytest.fixture(scope="module")
def ratings() -> pd.DataFrame:
    return worlds.noise()


@pytest.fixture
def recipe(plain: Settings) -> Recipe:
    """Three seeds and the bias model."""
    members = tuple(
        Member(name="a", settings=plain(**SMALL), seed=seed, weight=weight)
        for seed, weight in ((5, 0.5), (6, 0.125), (7, 0.125))
    )
    return Recipe(members=members, bias=BiasPart(user_shrinkage=3, experience_shrinkage=4, weight=0.25))


def test_one_network_is_that_network(by_hand: Models) -> None:
    predictor = Predictor(((1.0, by_hand(dense=False)),))
    np.testing.assert_allclose(predictor.predict(USERS, EXPERIENCES), NETWORK, rtol=1e-6)
    assert predictor.predict(USERS, EXPERIENCES).dtype == np.float32


def test_networks_are_averaged_by_their_weights(by_hand: Models) -> None:
    other = by_hand(dense=False, dot_product=False)
    predictor = Predictor(((0.25, by_hand(dense=False)), (0.75, other)))
    dot = np.array([2.5, 7, -7, 0, 0, 0])
    np.testing.assert_allclose(predictor.predict(USERS, EXPERIENCES), NETWORK - 0.75 * dot, rtol=1e-6)


def test_the_bias_model_takes_its_part(by_hand: Models, bias_by_hand: Biases) -> None:
    predictor = Predictor(((0.75, by_hand(dense=False)),), (0.25, bias_by_hand()))
    np.testing.assert_allclose(predictor.predict(USERS, EXPERIENCES), 0.75 * NETWORK + 0.25 * BIAS, rtol=1e-6)


def test_the_bias_model_alone(bias_by_hand: Biases) -> None:
    predictor = Predictor((), (1.0, bias_by_hand()))
    np.testing.assert_allclose(predictor.predict(USERS, EXPERIENCES), BIAS, rtol=1e-6)
    assert predictor.users.ids.tolist() == [10, 20]
    assert predictor.experiences.ids.tolist() == [7, 9]


def test_whom_it_knows(by_hand: Models) -> None:
    predictor = Predictor(((1.0, by_hand()),))
    assert predictor.users.ids.tolist() == [10, 20]
    assert predictor.experiences.ids.tolist() == [7, 9]


@pytest.mark.parametrize("networks", [0, 1, 2])
def test_the_saved_model_serves_the_same_average(
    by_hand: Models, bias_by_hand: Biases, tmp_path: Any, networks: int
) -> None:
    from recommender_job.ranking.serving import export_saved_model
    from recommender_job.ranking.tensorflow import tf

    models = (by_hand(), by_hand(dense=False, unseen="random"))[:networks]
    predictor = Predictor(tuple((0.25, model) for model in models), (0.5, bias_by_hand()))
    export_saved_model(predictor, str(tmp_path / "served"), (-1000.0, 1000.0))
    serve = tf.saved_model.load(str(tmp_path / "served")).signatures["serving_default"]
    served = serve(user_id=tf.constant(USERS), experience_id=tf.constant(EXPERIENCES))["predicted_rating"].numpy()
    np.testing.assert_allclose(served, predictor.predict(USERS, EXPERIENCES), rtol=1e-5)


def test_seeds_are_averaged(ratings: pd.DataFrame, recipe: Recipe, plain: Settings) -> None:
    predictor, _, figures = train_predictor(ratings, recipe)
    users, experiences = ratings["user_id"].to_numpy(), ratings["experience_id"].to_numpy()
    alone = [fit(ratings, plain(**SMALL), seed=seed) for seed in (5, 6, 7)]
    bias = BiasModel.fit(ratings, user_shrinkage=3, experience_shrinkage=4)
    parts = [model.predict(users, experiences) for model, _ in alone] + [bias.predict(users, experiences)]
    expected = np.average(parts, axis=0, weights=[0.5, 0.125, 0.125, 0.25])
    np.testing.assert_allclose(predictor.predict(users, experiences), expected, rtol=1e-5)
    assert not np.allclose(parts[0], parts[1], atol=1e-4)
    assert figures == alone[0][1]


def test_the_same_recipe_gives_the_same_predictor_with_a_used_trainer_and_in_another_process(
    ratings: pd.DataFrame, recipe: Recipe
) -> None:
    ratings = ratings[["user_id", "experience_id", "rating"]]
    trainers = Trainers(ratings)
    first, again = (train_predictor(ratings, recipe, trainers=trainers)[0] for _ in range(2))
    assert again.version == first.version
    ratings.to_json("ratings.json")
    told = subprocess.run(
        [sys.executable, "-c", _ELSEWHERE, "ratings.json", recipe.model_dump_json()],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    assert told.stdout.strip() == first.version


def test_without_a_weight_there_is_no_bias_model(ratings: pd.DataFrame, recipe: Recipe) -> None:
    recipe = recipe.model_copy(update={"members": recipe.members[:1], "bias": BiasPart()})
    assert train_predictor(ratings, recipe)[0].bias is None


def test_a_recipe_of_the_bias_model_alone(ratings: pd.DataFrame) -> None:
    recipe = Recipe(members=(), bias=BiasPart(weight=1.0))
    predictor, followed, figures = train_predictor(ratings, recipe)
    assert followed == recipe
    assert figures == {"epochs": 0, "loss": None, "pairs": len(ratings)}
    expected = BiasModel.fit(ratings, user_shrinkage=2, experience_shrinkage=10)
    np.testing.assert_allclose(
        predictor.predict(np.array([100]), np.array([500])), expected.predict(np.array([100]), np.array([500]))
    )


def test_the_recipe_comes_back_with_the_epochs_that_were_trained(ratings: pd.DataFrame, plain: Settings) -> None:
    stopping = plain(
        **{**SMALL, "epochs": 40}, embedding_dimension=8, learning_rate=0.05, validation_share=0.3, patience=2
    )
    members = tuple(
        Member(name=name, settings=settings, seed=1, weight=0.5)
        for name, settings in (("stops", stopping), ("goes on", plain(**SMALL)))
    )
    calls: list[tuple[int, int]] = []
    predictor, followed, figures = train_predictor(
        ratings, Recipe(members=members), progress=lambda *call: calls.append(call)
    )
    epochs = [member.settings.epochs for member in followed.members]
    assert epochs == [figures["epochs"], 3]
    assert 1 <= epochs[0] < 38
    assert [member.settings.validation_share for member in followed.members] == [0, 0]
    assert followed.members[1] == members[1]
    assert [(member.name, member.seed, member.weight) for member in followed.members] == [
        ("stops", 1, 0.5),
        ("goes on", 1, 0.5),
    ]
    # Progress is told over both, up to the most epochs that there could be.
    stopped = epochs[0] + 2
    assert calls == [(epoch, 43) for epoch in [*range(1, stopped + 1), 41, 42, 43]]
    assert predictor.networks[1][1].settings.epochs == 3
    # What comes back can be followed on all pairs, and then comes back as it is.
    _, again, more = train_predictor(ratings, followed)
    assert again == followed
    assert more["epochs"] == epochs[0]
