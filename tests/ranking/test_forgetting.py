"""A user is taken out of saved models of every shape; all others are predicted as before, to the bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from recommender_job.ranking.forgetting import USER_ROWS, without_user
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.relevance import RelevanceModel
from recommender_job.ranking.trained import TrainedModel
from recommender_job.storage.artifacts import RunFolder
from tests.scoring.conftest import EXPERIENCES, USERS, exact, several, wanted

__all__ = ["exact", "several", "wanted"]

FILES = ["m/network-0/weights.npz", "m/network-1/weights.npz", "m/bias.npz"]


def forget(folder: RunFolder, name: str, user_id: int) -> bool:
    """Takes a user out of one file; False where the user was not in it."""
    left = without_user(name.rsplit("/", 1)[-1], folder.read_arrays(name), user_id)
    if left is not None:
        folder.write_arrays(name, left)
    return left is not None


def grid(users: list[int]) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat(users, len(EXPERIENCES)), np.tile(EXPERIENCES, len(users))


@pytest.mark.parametrize("user_id", USERS)
def test_networks_and_biases(folder: RunFolder, several: Predictor, user_id: int) -> None:
    several.save(folder, "m")
    others = grid([user for user in USERS if user != user_id])
    before, unseen = several.predict(*others), several.predict(*grid([999]))
    # The bias model saw fewer users.
    assert [forget(folder, name, user_id) for name in FILES] == [True, True, user_id in USERS[2:]]
    after = Predictor.load(folder, "m")
    np.testing.assert_array_equal(after.predict(*others), before)
    np.testing.assert_array_equal(after.predict(*grid([user_id])), unseen)
    assert not [name for name in FILES if user_id in folder.read_arrays(name)["user_ids"]]
    assert [forget(folder, name, user_id) for name in FILES] == [False, False, False]


@pytest.mark.parametrize("kind", ["interactions", "factors", "popularity"])
@pytest.mark.parametrize("user_id", [-7, 5, 2**63 - 1])
def test_relevance(folder: RunFolder, wanted: Callable[..., RelevanceModel], kind: str, user_id: int) -> None:
    model = wanted(kind)
    model.save(folder, "m")
    others = np.array(sorted({*model.users.ids.tolist(), 99} - {user_id}))
    rated = pd.DataFrame({"user_id": [2, 5], "experience_id": [4, 6]})
    assert forget(folder, "m/relevance.npz", user_id)
    after = RelevanceModel.load(folder, "m")
    for start in range(len(others)):
        np.testing.assert_array_equal(
            after.features(others, rated).block(start, start + 1), model.features(others, rated).block(start, start + 1)
        )
    np.testing.assert_array_equal(after.matrix, model.matrix)
    np.testing.assert_array_equal(after.share, model.share)
    assert user_id not in after.users.ids


def test_a_square_matrix_that_looks_like_one_of_users_stays_whole(folder: RunFolder) -> None:
    """Four users and the row of unseen ones are five, and so are the experiences."""
    arrays = {"user_ids": np.array([1, 2, 3, 4]), "experience_ids": np.arange(5), "matrix": np.eye(5)}
    left = without_user("relevance.npz", arrays, 2)
    assert left is not None
    assert left["matrix"].shape == (5, 5)
    assert arrays["user_ids"].tolist() == [1, 2, 3, 4]


def test_the_last_user_of_a_model(folder: RunFolder, exact: Callable[..., TrainedModel]) -> None:
    exact().save(folder, "m")
    for user_id in USERS:
        assert forget(folder, "m/weights.npz", user_id)
    after = TrainedModel.load(folder, "m")
    assert len(after.users) == 0
    np.testing.assert_array_equal(after.predict(*grid([1])), exact().predict(*grid([999])))
    assert not forget(folder, "m/weights.npz", 1)


def test_every_array_with_a_row_for_each_user_is_named(
    folder: RunFolder, several: Predictor, wanted: Callable[..., RelevanceModel]
) -> None:
    several.save(folder, "m")
    wanted("factors").save(folder, "m")
    for name in [*FILES, "m/relevance.npz"]:
        arrays = folder.read_arrays(name)
        length = len(arrays["user_ids"]) + 1
        rows = {key for key, array in arrays.items() if array.ndim and len(array) == length}
        assert rows <= set(USER_ROWS[name.rsplit("/", 1)[-1]])
        assert rows


def test_a_kept_version_stays_whatever_is_taken_out(folder: RunFolder, several: Predictor) -> None:
    several.save(folder, "m")
    version = several.version
    Predictor.keep_version(folder, "m")
    assert Predictor.load(folder, "m").version == version
    for name in FILES:
        forget(folder, name, 2)
    assert Predictor.load(folder, "m").version == version
    Predictor.keep_version(folder, "m")  # for the next user to go
    forget(folder, FILES[0], 3)
    assert Predictor.load(folder, "m").version == version
    several.save(folder, "m")  # trained again: a version of its own
    assert Predictor.load(folder, "m").trained_as is None


def test_without_it_the_version_changes(folder: RunFolder, several: Predictor) -> None:
    several.save(folder, "m")
    for name in FILES:
        before = Predictor.load(folder, "m").version
        forget(folder, name, 5)
        assert Predictor.load(folder, "m").version != before
