"""The model: every switch changes the prediction by exactly what its term is worth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from recommender_job.config import load_config
from recommender_job.ranking.trained import TrainedModel
from recommender_job.settings import ModelConfig

USERS, EXPERIENCES = np.array([10, 10, 20, 20, 99, 10, 99]), np.array([7, 9, 7, 9, 7, 99, 99])
#: Dense layer on the pair's concatenated vectors with weights 0.1 to 0.4 and bias 3: of (10, 7) it is
#: 3 + 0.1·1 + 0.2·2 + 0.3·0.5 + 0.4·1 = 4.05. Unseen ids are zeros there.
DENSE = np.array([4.05, 4.8, 3.65, 4.4, 3.55, 3.5, 3.0])
DOT = np.array([2.5, 7.0, 0.5, -7.0, 0.0, 0.0, 0.0])
BIASES = np.array([1.25, 2.25, 0.5, 1.5, 1.0, 0.25, 0.0])


def predicted(model: TrainedModel) -> np.ndarray:
    return model.predict(USERS, EXPERIENCES)


def test_all_terms_add_up(by_hand: Callable[..., TrainedModel]) -> None:
    np.testing.assert_allclose(predicted(by_hand()), DENSE + DOT + BIASES, atol=1e-6)


def test_without_bias_terms(by_hand: Callable[..., TrainedModel]) -> None:
    np.testing.assert_allclose(predicted(by_hand(bias_terms=False)), DENSE + DOT, atol=1e-6)


def test_without_the_dot_product(by_hand: Callable[..., TrainedModel]) -> None:
    np.testing.assert_allclose(predicted(by_hand(dot_product=False)), DENSE + BIASES, atol=1e-6)


def test_without_the_dense_layers(by_hand: Callable[..., TrainedModel]) -> None:
    np.testing.assert_allclose(predicted(by_hand(dense=False)), 3 + DOT + BIASES, atol=1e-6)


def test_a_hidden_layer_is_relu(by_hand: Callable[..., TrainedModel]) -> None:
    # Hidden units of (10, 7): relu(1 + 0.5 + 0.5) = 2 and relu(2 - 1 - 0.5) = 0.5; output 3 + 0.2 + 0.1.
    # Of (20, 9): relu(3 - 1 + 0.5) = 2.5 and relu(-1 - 4 - 0.5) = 0; output 3 + 0.25.
    model = by_hand(hidden_layers=(2,), bias_terms=False, dot_product=False)
    np.testing.assert_allclose(predicted(model)[[0, 3]], [3.3, 3.25], atol=1e-6)


def test_unseen_ids_can_keep_the_random_row_they_started_with(by_hand: Callable[..., TrainedModel]) -> None:
    # User 99 is [1, 1] with bias 8, experience 99 is [2, 2] with bias 16.
    expected = [
        3 + 0.1 + 0.2 + 0.15 + 0.4 + 1.5 + 8 + 1,
        3 + 0.1 + 0.4 + 0.6 + 0.8 + 6 + 0.25 + 16,
        3 + 0.3 + 1.4 + 4 + 8 + 16,
    ]
    np.testing.assert_allclose(predicted(by_hand(unseen="random"))[4:], expected, rtol=1e-6)
    np.testing.assert_allclose(predicted(by_hand(unseen="random"))[:4], predicted(by_hand())[:4])


def test_loss_is_the_squared_error_plus_the_penalty_of_the_rows_in_the_batch(
    by_hand: Callable[..., TrainedModel],
) -> None:
    from recommender_job.ranking.model import rebuild

    # Pairs (10, 7) and (20, 9), predicted 7.8 and -1.1, rated 5 and 1.
    batch = {"user": np.array([1, 2]), "experience": np.array([1, 2]), "rating": np.array([5, 1], np.float32)}
    mse = (2.8**2 + 2.1**2) / 2
    vectors = (1 + 4 + 9 + 1) / 2 + (0.25 + 1 + 1 + 16) / 2
    biases = (0.25**2 + 0.5**2) / 2 + (1 + 4) / 2
    assert float(rebuild(by_hand()).compute_loss(batch)) == pytest.approx(mse, rel=1e-5)
    penalised = rebuild(by_hand(l2_embedding=0.1, l2_bias=0.2))
    assert float(penalised.compute_loss(batch)) == pytest.approx(mse + 0.1 * vectors + 0.2 * biases, rel=1e-5)


def test_the_dense_layers_carry_their_own_penalty(by_hand: Callable[..., TrainedModel]) -> None:
    from recommender_job.ranking.model import rebuild

    batch = {"user": np.array([1]), "experience": np.array([1]), "rating": np.array([5], np.float32)}
    plain, penalised = (
        float(rebuild(by_hand(l2_dense=penalty, hidden_layers=(2,))).compute_loss(batch)) for penalty in (0, 0.5)
    )
    # The output weights 0.1 and 0.2, and four ones in the hidden layer; the layers' biases are not pulled.
    assert penalised - plain == pytest.approx(0.5 * (0.05 + 4), rel=1e-5)


@pytest.mark.parametrize(("at_mean", "bias"), [(True, 4.25), (False, 0.0)])
def test_where_the_output_bias_starts(plain: Callable[..., ModelConfig], at_mean: bool, bias: float) -> None:
    from recommender_job.ranking.model import RankingModel

    settings = plain(output_bias_at_mean=at_mean)
    model = RankingModel(3, 2, settings)
    for _ in range(2):
        model.start(settings, 4.25, seed=1)
        assert model({"user": np.array([1]), "experience": np.array([1])}).numpy().tolist() == [bias]
        model.output_bias.assign([9.0])  # what an earlier training left


def test_the_two_tables_start_with_different_numbers(plain: Callable[..., ModelConfig]) -> None:
    from recommender_job.ranking.model import RankingModel

    settings = plain(embedding_init=0.05)
    model = RankingModel(3, 3, settings)
    model.start(settings, 4.0, seed=1)
    user, experience = (layer.embeddings.numpy() for layer in (model.user_embedding, model.experience_embedding))
    assert user.shape == experience.shape == (4, 2)
    assert not np.any(user == experience)
    assert 0 < np.abs(user).max() <= 0.05
    assert user.min() < 0 < user.max()


def test_biases_start_at_zero_and_dense_layers_where_keras_starts_them(plain: Callable[..., ModelConfig]) -> None:
    from recommender_job.ranking.model import RankingModel

    settings = plain(hidden_layers=(40, 20), embedding_dimension=8)
    model = RankingModel(3, 3, settings)
    model.start(settings, 4.0, seed=1)
    weights = {name: variable.numpy() for name, variable in model.named_variables().items()}
    for name in ("user_bias", "experience_bias", "hidden_0_bias", "hidden_1_bias"):
        assert not weights[name].any(), name
    # Glorot's bound of a layer from 16 to 40, from 40 to 20 and from 20 to 1.
    for name, bound in (("hidden_0", (6 / 56) ** 0.5), ("hidden_1", 0.1**0.5), ("output", (6 / 21) ** 0.5)):
        largest = np.abs(weights[f"{name}_kernel"]).max()
        assert 0.8 * bound < largest <= bound, name


def test_starting_again_takes_the_penalties_of_the_new_settings(plain: Callable[..., ModelConfig]) -> None:
    from recommender_job.ranking.model import RankingModel

    model = RankingModel(1, 1, plain(l2_bias=5.0))
    model.start(plain(l2_bias=0.25, output_bias_at_mean=False), 4.0, seed=1)
    model.assign_biases(np.array([[0], [2]], np.float32), np.array([[0], [0]], np.float32))
    batch = {"user": np.array([1]), "experience": np.array([1]), "rating": np.array([2], np.float32)}
    assert float(model.compute_loss(batch)) == 0.25 * 4


def test_preset_seed_is_the_original_job() -> None:
    from recommender_job.ranking.model import RankingModel

    settings = load_config({"preset": "seed"}).model
    assert settings.model_dump(exclude={"patience", "user_shrinkage", "experience_shrinkage"}) == {
        "embedding_dimension": 32,
        "embedding_init": 0.05,
        "hidden_layers": (256, 64),
        "dense": True,
        "bias_terms": False,
        "biases": "learned",
        "dot_product": False,
        "output_bias_at_mean": False,
        "unseen": "random",
        "l2_embedding": 0.0,
        "l2_bias": 0.0,
        "l2_dense": 0.0,
        "optimizer": "adagrad",
        "learning_rate": 0.1,
        "batch_size": 8192,
        "epochs": 1000,
        "seeds": 1,
        "validation_share": 0.0,
    }
    model = RankingModel(5, 4, settings)
    model.start(settings, 4.7, seed=1)
    shapes: dict[str, Any] = {name: tuple(variable.shape) for name, variable in model.named_variables().items()}
    assert shapes == {
        "user_embedding": (6, 32),
        "experience_embedding": (5, 32),
        "hidden_0_kernel": (64, 256),
        "hidden_0_bias": (256,),
        "hidden_1_kernel": (256, 64),
        "hidden_1_bias": (64,),
        "output_kernel": (64, 1),
        "output_bias": (1,),
    }
    assert [layer.activation.__name__ for layer in model.dense] == ["relu", "relu", "linear"]
    assert model.output_bias.numpy().tolist() == [0.0]
    # No penalty: the loss is the squared error of the prediction and nothing else.
    batch = {"user": np.array([1, 5]), "experience": np.array([1, 4]), "rating": np.array([5, 2], np.float32)}
    error = model({name: batch[name] for name in ("user", "experience")}).numpy() - batch["rating"]
    assert float(model.compute_loss(batch)) == pytest.approx(float(np.mean(error**2)))
