"""Scoring in blocks gives the lists that scoring pair by pair gives."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from recommender_job.errors import TrainingDiverged
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.trained import TrainedModel
from tests.scoring.reference import alone, brute_force, listed, some_rated

Asked = tuple[np.ndarray, np.ndarray]
Models = Callable[..., TrainedModel]
#: bias_terms, dot_product, dense and hidden_layers, unseen; one of the first three must be on.
SWITCHES = [
    switches
    for switches in itertools.product([True, False], [True, False], [None, (), (4,), (4, 2)], ["zero", "random"])
    if switches[0] or switches[1] or switches[2] is not None
]


@pytest.mark.parametrize(("bias_terms", "dot_product", "hidden_layers", "unseen"), SWITCHES)
def test_blocks_agree_with_pair_by_pair(
    exact: Models,
    asked: Asked,
    bias_terms: bool,
    dot_product: bool,
    hidden_layers: tuple[int, ...] | None,
    unseen: str,
) -> None:
    dense = {"dense": False} if hidden_layers is None else {"hidden_layers": hidden_layers}
    model = alone(exact(seed=11, bias_terms=bias_terms, dot_product=dot_product, unseen=unseen, **dense))
    rated = some_rated(*asked)
    expected = brute_force(model, *asked, rated, 4)
    assert len({row[3] for row in expected}) > 3
    # One user at a time, blocks that do not divide the users, and all at once.
    for block_pairs in (1, 50, 10_000):
        assert listed(model, *asked, rated, 4, block_pairs) == expected


def test_several_networks_and_the_bias_model_agree_with_pair_by_pair(several: Predictor, asked: Asked) -> None:
    rated = some_rated(*asked)
    expected = brute_force(several, *asked, rated, 6)
    assert len({row[3] for row in expected}) > 10
    for block_pairs in (1, 50, 10_000):
        assert listed(several, *asked, rated, 6, block_pairs) == expected
    # Each part counts.
    (first, second), bias = several.networks, several.bias
    for fewer in (Predictor((first, second)), Predictor((first,), bias), Predictor((second,), bias)):
        assert listed(fewer, *asked, rated, 6) != expected


def test_the_bias_model_alone(several: Predictor, asked: Asked) -> None:
    assert several.bias is not None
    model, rated = Predictor((), (1.0, several.bias[1])), some_rated(*asked)
    assert listed(model, *asked, rated, 4) == brute_force(model, *asked, rated, 4)


@pytest.mark.parametrize("n", [1, 5, 10, 1000])
def test_lists_of_any_length(exact: Models, asked: Asked, n: int) -> None:
    model, rated = alone(exact(seed=3)), some_rated(*asked)
    assert listed(model, *asked, rated, n) == brute_force(model, *asked, rated, n)


def test_a_trained_model_too(asked: Asked) -> None:
    from recommender_job.ranking.training import fit
    from recommender_job.settings import ModelConfig

    users, experiences = asked
    ratings = some_rated(users, experiences).iloc[:-2].assign(rating=4.0)
    ratings["rating"] += np.arange(len(ratings)) % 3 - 1
    fitted, _ = fit(ratings, ModelConfig(epochs=2, hidden_layers=(8, 4), l2_embedding=0.0), seed=1)
    model = alone(fitted)
    expected = pd.DataFrame(brute_force(model, users, experiences, ratings[["user_id", "experience_id"]], 5))
    found = pd.DataFrame(listed(model, users, experiences, ratings[["user_id", "experience_id"]], 5))
    # The two sum in another order: scores agree up to rounding, and with them the lists where no two are that close.
    np.testing.assert_allclose(found[3], expected[3], atol=1e-5)
    pd.testing.assert_frame_equal(found[[0, 1]], expected[[0, 1]])
    assert (found[2] == expected[2]).mean() > 0.9


def test_equal_scores_rank_by_experience_id(exact: Models, asked: Asked, pairs: Callable[..., pd.DataFrame]) -> None:
    model = exact()
    for values in model.weights.values():
        values[:] = 0
    users, experiences = asked
    expected = [(u, rank, e, 1.0) for u in users.tolist() for rank, e in enumerate(experiences.tolist()[:6], 1)]
    assert listed(alone(model), users, experiences, pairs(), 6) == expected


def test_clipping_makes_no_ties(exact: Models, asked: Asked, pairs: Callable[..., pd.DataFrame]) -> None:
    model = exact(bias_terms=True, dot_product=False, hidden_layers=())
    for values in model.weights.values():
        values[:] = 0
    # All far above the scale, the higher the later the id.
    model.weights["experience_bias"][:, 0] = np.arange(len(model.weights["experience_bias"])) + 100
    experiences = model.experiences.ids
    expected = [(5, rank, e, 5.0) for rank, e in enumerate(experiences[::-1].tolist()[:3], 1)]
    assert listed(alone(model), np.array([5]), experiences, pairs(), 3) == expected


def test_fewer_left_than_asked_for_gives_shorter_lists(
    exact: Models, asked: Asked, pairs: Callable[..., pd.DataFrame]
) -> None:
    experiences = np.array([4, 6, 10])
    rated = pairs((1, 4), (1, 10), (2, 4), (2, 6), (2, 10), (2, 10))
    found = listed(alone(exact()), np.array([1, 2, 3]), experiences, rated, 10)
    assert [(row[0], row[1]) for row in found] == [(1, 1), (3, 1), (3, 2), (3, 3)]
    assert found[0][2] == 6


def test_nobody_or_nothing_to_score(exact: Models, pairs: Callable[..., pd.DataFrame]) -> None:
    nothing = np.array([], np.int64)
    assert listed(alone(exact()), nothing, np.array([4]), pairs(), 3) == []
    assert listed(alone(exact()), np.array([1]), nothing, pairs(), 3) == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["experience_bias", "output_kernel", "user_embedding"])
def test_a_weight_that_is_no_number_is_told(exact: Models, asked: Asked, name: str, value: float) -> None:
    model = exact()
    model.weights[name][1:] = value
    with pytest.raises(TrainingDiverged, match="is not a finite number") as caught:
        listed(alone(model), *asked, some_rated(*asked), 3)
    assert "refit" in caught.value.action


def test_a_score_that_is_no_number_is_told_even_of_a_rated_pair(
    exact: Models, pairs: Callable[..., pd.DataFrame]
) -> None:
    model = exact()
    model.weights["user_embedding"][2] = np.nan  # user 1
    with pytest.raises(TrainingDiverged, match="users 1 to 1 "):
        listed(alone(model), np.array([-7, 1, 2]), np.array([4]), pairs((1, 4)), 3, block_pairs=1)
