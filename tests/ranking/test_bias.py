"""The bias model, against the normal equations of the same least squares."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recommender_job.ranking import encoded
from recommender_job.ranking.bias import BiasModel, deviation_alone
from recommender_job.ranking.encoded import Encoded, Spill
from tests.ranking import worlds


def solved(ratings: pd.DataFrame, user_shrinkage: float, experience_shrinkage: float) -> tuple[np.ndarray, np.ndarray]:
    """Minimises the squared errors plus shrinkage times squared deviations, all unknowns at once."""
    users, user = np.unique(ratings["user_id"], return_inverse=True)
    experiences, experience = np.unique(ratings["experience_id"], return_inverse=True)
    design = np.hstack([np.eye(len(users))[user], np.eye(len(experiences))[experience]])
    penalty = np.diag([user_shrinkage] * len(users) + [experience_shrinkage] * len(experiences))
    target = ratings["rating"].to_numpy(np.float64)
    found = np.linalg.solve(design.T @ design + penalty, design.T @ (target - target.mean()))
    return found[: len(users)], found[len(users) :]


@pytest.mark.parametrize(
    ("user_shrinkage", "experience_shrinkage"), [(1.0, 1.0), (2.0, 10.0), (10.0, 2.0), (50.0, 0.5)]
)
@pytest.mark.parametrize("make", [worlds.biases, worlds.tastes, worlds.noise])
def test_both_deviations_solve_the_normal_equations(
    make: Callable[[], pd.DataFrame], user_shrinkage: float, experience_shrinkage: float
) -> None:
    ratings = make()
    shrinkage = {"user_shrinkage": user_shrinkage, "experience_shrinkage": experience_shrinkage}
    model = BiasModel.fit(ratings, **shrinkage, sweeps=300)
    user, experience = solved(ratings, user_shrinkage, experience_shrinkage)
    assert model.mean == pytest.approx(ratings["rating"].astype("float64").mean())
    np.testing.assert_allclose(model.user, [0, *user], atol=1e-6)
    np.testing.assert_allclose(model.experience, [0, *experience], atol=1e-6)
    assert model.users.ids.tolist() == sorted(ratings["user_id"].unique())
    assert model.experiences.ids.tolist() == sorted(ratings["experience_id"].unique())
    # As many sweeps as are made by default come within two thousandths of a rating of that.
    usual = BiasModel.fit(ratings, **shrinkage)
    np.testing.assert_allclose(usual.user, model.user, atol=2e-3)
    np.testing.assert_allclose(usual.experience, model.experience, atol=2e-3)


def test_the_first_sweep_by_hand() -> None:
    # Mean 3. Experience 9 deviates by (2 - 2) / (2 + 1), experience 8 by 0; then user 1 by (2 + 0) / (2 + 2).
    ratings = worlds.ratings(np.array([1, 1, 2]), np.array([9, 8, 9]), np.array([5, 3, 1]))
    once = BiasModel.fit(ratings, user_shrinkage=2, experience_shrinkage=1, sweeps=1)
    np.testing.assert_allclose(once.experience, [0, 0, 0])
    np.testing.assert_allclose(once.user, [0, 0.5, -2 / 3])
    # Then 8 by (0 - 0.5) / (1 + 1) and 9 by (1.5 - 4/3) / 3 = 1/18; user 1 by (2 - 1/18 + 0.25) / 4.
    twice = BiasModel.fit(ratings, user_shrinkage=2, experience_shrinkage=1, sweeps=2)
    np.testing.assert_allclose(twice.experience, [0, -0.25, 1 / 18])
    np.testing.assert_allclose(twice.user, [0, (2 - 1 / 18 + 0.25) / 4, (-2 - 1 / 18) / 3])


def test_an_unseen_id_deviates_by_nothing() -> None:
    ratings = worlds.biases()
    model = BiasModel.fit(ratings, user_shrinkage=2, experience_shrinkage=2)
    predicted = model.predict(np.array([101, 7, 101, 7]), np.array([503, 503, 1, 1]))
    user, experience = model.user[model.users.encode(np.array([101]))], model.experience[[4]]
    np.testing.assert_allclose(predicted, model.mean + np.concatenate([user + experience, experience, user, [0]]))
    assert abs(user[0]) > 0.01
    assert abs(experience[0]) > 0.01


def test_the_order_of_the_ratings_does_not_matter_and_they_are_not_changed() -> None:
    ratings = worlds.noise()
    before = ratings.copy()
    model = BiasModel.fit(ratings, user_shrinkage=2, experience_shrinkage=5)
    other = BiasModel.fit(ratings.sample(frac=1, random_state=1), user_shrinkage=2, experience_shrinkage=5)
    np.testing.assert_allclose(other.user, model.user, atol=1e-12)
    np.testing.assert_allclose(other.experience, model.experience, atol=1e-12)
    pd.testing.assert_frame_equal(ratings, before)


def test_one_side_alone_is_the_shrunk_mean_of_what_the_mean_leaves_over() -> None:
    # The mean is 3; user 10 rates 1 and 2 above it, user 20 2, -1 and -4.
    ratings = Encoded.of(
        worlds.ratings(np.array([10, 20, 10, 20, 20]), np.array([7, 7, 8, 8, 9]), np.array([4, 5, 5, 2, -1]))
    )
    np.testing.assert_allclose(deviation_alone(ratings, "user_id", 0), [0, 1.5, -1])
    np.testing.assert_allclose(deviation_alone(ratings, "user_id", 2), [0, 0.75, -0.6])
    np.testing.assert_allclose(deviation_alone(ratings, "experience_id", 0), [0, 1.5, 0.5, -4])


def test_ratings_on_the_disk_looked_at_in_parts_give_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ratings = worlds.noise()
    model = BiasModel.fit(ratings, user_shrinkage=2, experience_shrinkage=5)
    monkeypatch.setattr(encoded, "PART", 37)
    spilt = Encoded.of(ratings, Spill(tmp_path, 100))
    assert isinstance(spilt.user, np.memmap)
    other = BiasModel.fit(spilt, user_shrinkage=2, experience_shrinkage=5)
    assert (other.user.tobytes(), other.experience.tobytes()) == (model.user.tobytes(), model.experience.tobytes())
