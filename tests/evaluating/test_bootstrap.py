"""The bootstrap: what it draws, how wide its intervals are, and that comparisons are made pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binom

from recommender_job.evaluating.bootstrap import (
    GROUPS,
    Bootstrap,
    chance,
    chance_beside_the_best,
    interval,
)


def crowd(users: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Values of users, one to six each, which resemble each other within a user; their mean is 0 in the long run."""
    random = np.random.default_rng(seed)
    owner = np.repeat(np.arange(users), random.integers(1, 7, users))
    return owner, random.normal(0, 1, users)[owner] + random.normal(0, 0.5, len(owner))


def test_agrees_with_drawing_users_one_by_one() -> None:
    users, values = crowd(40, seed=1)
    random = np.random.default_rng(2)
    own = [values[users == user] for user in range(40)]
    drawn = [np.concatenate([own[user] for user in random.integers(0, 40, 40)]).mean() for _ in range(20_000)]
    found = Bootstrap(users, resamples=20_000, seed=3).means(values)
    spread = float(np.std(drawn))
    assert np.std(found) == pytest.approx(spread, rel=0.03)
    for share in (0.025, 0.25, 0.5, 0.75, 0.975):
        assert np.quantile(found, share) == pytest.approx(np.quantile(drawn, share), abs=0.06 * spread)
    # Drawing single values would give something else, or this test could not tell.
    assert np.std(values) / np.sqrt(len(values)) < 0.7 * spread


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    covered = {0.95: 0, 0.5: 0}
    for seed in range(400):
        users, values = crowd(60, seed)
        means = Bootstrap(users, resamples=400, seed=seed).means(values)
        for level in covered:
            low, high = interval(means, level) or (1.0, 0.0)
            covered[level] += low <= 0 <= high
    # Three standard deviations of 400 throws, and one point for what the percentile interval is known to lack.
    assert covered[0.95] / 400 == pytest.approx(0.95, abs=0.033 + 0.01)
    assert covered[0.5] / 400 == pytest.approx(0.5, abs=0.075 + 0.01)


def test_many_users_are_drawn_in_groups_that_keep_each_user_whole() -> None:
    count = 3 * GROUPS
    users = np.repeat(np.arange(count), 2)
    bootstrap = Bootstrap(users, resamples=1000, seed=1)
    balanced = np.tile([1.0, -1.0], count)  # every user's own mean is 0
    np.testing.assert_allclose(bootstrap.means(balanced), 0, atol=1e-12)
    values = np.random.default_rng(2).normal(0, 1, count)[users]
    means = bootstrap.means(values)
    # Users have two values each, so the spread is known.
    assert np.std(means) == pytest.approx(np.std(values) / np.sqrt(count), rel=0.1)
    assert np.mean(means) == pytest.approx(values.mean(), abs=4 * np.std(means) / np.sqrt(1000))


def test_groups_do_not_follow_the_order_of_the_ids() -> None:
    """Neighbouring ids joined the website together and resemble each other; so do ids with the same remainder."""
    users = np.arange(4 * GROUPS)
    values = np.where(users % GROUPS < GROUPS // 2, 1.0, -1.0)
    means = Bootstrap(users, resamples=1000, seed=1).means(values)
    assert np.std(means) == pytest.approx(1 / np.sqrt(len(users)), rel=0.15)


def test_models_that_predict_alike_differ_by_nothing() -> None:
    users, values = crowd(50, seed=4)
    bootstrap = Bootstrap(users, resamples=300, seed=5)
    differences = bootstrap.rmse(values**2) - bootstrap.rmse(values.copy() ** 2)
    assert (differences == 0).all()
    assert interval(differences, 0.95) == (0.0, 0.0)
    assert chance(differences) == 1.0


def test_every_figure_comes_from_the_same_resamples() -> None:
    users, values = crowd(50, seed=6)
    other = np.random.default_rng(7).normal(0, 1, len(values))
    bootstrap = Bootstrap(users, resamples=200, seed=8)
    np.testing.assert_allclose(bootstrap.means(values) - bootstrap.means(other), bootstrap.means(values - other))
    np.testing.assert_allclose(bootstrap.rmse(values**2), np.sqrt(bootstrap.means(values**2)))


def test_a_model_that_is_worse_for_each_user_is_worse_in_every_resample() -> None:
    users, values = crowd(50, seed=9)
    bootstrap = Bootstrap(users, resamples=199, seed=10)
    differences = bootstrap.rmse(values**2 + 0.01) - bootstrap.rmse(values**2)
    assert chance(differences) == pytest.approx(1 / 200)
    assert chance(-differences) == 1.0


def test_values_that_do_not_count() -> None:
    users, values = crowd(30, seed=11)
    counted = np.random.default_rng(12).random(len(values)) < 0.5
    bootstrap = Bootstrap(users, resamples=300, seed=13)
    found = bootstrap.means(np.where(counted, values, np.nan))
    parts = bootstrap.means(np.where(counted, values, 0.0)) / bootstrap.means(counted.astype(float))
    np.testing.assert_allclose(found, parts)


def test_a_resample_without_a_value_that_counts_has_no_figure() -> None:
    bootstrap = Bootstrap(np.array([1, 2, 3]), resamples=4000, seed=14)
    found = bootstrap.means(np.array([np.nan, 5.0, np.nan]))
    assert set(found[np.isfinite(found)]) == {5.0}
    assert np.isnan(found).mean() == pytest.approx((2 / 3) ** 3, abs=0.03)
    assert interval(found, 0.95) == (5.0, 5.0)
    assert interval(bootstrap.means(np.full(3, np.nan)), 0.95) is None


@given(st.integers(0, 1000), st.integers(1, 5), st.sampled_from([1, -1]))
def test_only_who_owns_what_matters_not_the_ids(seed: int, factor: int, offset: int) -> None:
    users, values = crowd(8, seed)
    found = Bootstrap(users, resamples=100, seed=seed).means(values)
    np.testing.assert_array_equal(Bootstrap(users * factor + offset, resamples=100, seed=seed).means(values), found)
    assert values.min() - 1e-9 <= found.min() <= found.max() <= values.max() + 1e-9
    alone = Bootstrap(np.zeros_like(users), resamples=100, seed=seed).means(values)
    np.testing.assert_allclose(alone, values.mean(), atol=1e-12)


def test_the_seed_and_the_number_decide() -> None:
    users, values = crowd(30, seed=15)
    found = Bootstrap(users, resamples=100, seed=1).means(values)
    assert found.shape == (100,)
    np.testing.assert_array_equal(found, Bootstrap(users, resamples=100, seed=1).means(values))
    assert not np.array_equal(found, Bootstrap(users, resamples=100, seed=2).means(values))


def test_the_interval_by_hand() -> None:
    hundred_and_one = np.random.default_rng(16).permutation(101).astype(float)
    assert interval(hundred_and_one, 0.9) == pytest.approx((5.0, 95.0))
    assert interval(np.array([*hundred_and_one, np.nan, np.inf]), 0.5) == pytest.approx((25.0, 75.0))
    assert interval(np.array([]), 0.9) is None


def test_the_chance_by_hand() -> None:
    assert chance(np.array([1.0, 1.0, 0.5, -1.0])) == 2 / 5
    assert chance(np.array([1.0, 0.0, np.nan, -1.0])) == 4 / 5
    assert chance(np.full(9, np.nan)) == 1.0
    assert chance(np.full(9, 1e-9)) == 1 / 10


def differences_to_four(night: int, worse_by: float = 0.0) -> tuple[np.ndarray, np.ndarray, int]:
    """A model beside four equally good others: in each resample, on all pairs, and the place of the best."""
    random = np.random.default_rng(night)
    shared = random.normal(0, 1, 100)
    own, *others = ((shared + random.normal(0, 0.5 + more, 100)) ** 2 for more in (worse_by, 0, 0, 0, 0))
    bootstrap = Bootstrap(np.arange(100), resamples=200, seed=night)
    resampled = np.array([bootstrap.rmse(own) - bootstrap.rmse(other) for other in others])
    observed = np.array([np.sqrt(own.mean()) - np.sqrt(other.mean()) for other in others])
    return resampled, observed, int(observed.argmax())


def test_the_best_of_four_is_not_better_than_a_model_that_is_as_good_as_each() -> None:
    nights, found, alone = 400, 0, 0
    for night in range(nights):
        resampled, observed, best = differences_to_four(night)
        found += chance_beside_the_best(resampled, observed, best) < 0.05
        alone += chance(resampled[best]) < 0.05
    most = binom.ppf(0.999, nights, 0.05)
    assert found <= most
    assert alone > most, "the best was not chosen on the same pairs"


def test_a_model_that_is_worse_than_all_four_is_found_out() -> None:
    found = [chance_beside_the_best(*differences_to_four(night, worse_by=0.6)) < 0.05 for night in range(40)]
    assert sum(found) >= 38


@given(arrays(np.float64, 9, elements=st.floats(-2, 2) | st.just(np.nan)), st.floats(-2, 2))
def test_beside_one_alone_it_is_the_chance(differences: np.ndarray, observed: float) -> None:
    found = chance_beside_the_best(differences[None, :], np.array([observed]), 0)
    # The observed difference stands on both sides: only rounding may tell the two apart, near zero.
    sure = np.isnan(differences) | (np.abs(differences) > 1e-9)
    if sure.all():
        assert found == pytest.approx(chance(differences))


def test_what_never_strays_tells_nothing() -> None:
    same, strays = np.full(9, 0.5), np.linspace(-1, 2, 9)
    assert chance_beside_the_best(np.array([same, strays]), np.array([0.5, 0.4]), 0) == 1 / 10
    observed = np.array([0.5, 0.4])
    assert chance_beside_the_best(np.array([same, strays]), observed, 1) == chance(strays)
