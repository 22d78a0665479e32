"""The default list, worked out by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from recommender_job.publishing.popular import popular

#: Mean 4. Sums and counts: 10 has 5 + 5, 20 has 4, 30 has 2, 99 (not offered) has 4.
RATINGS = pd.DataFrame({"experience_id": [10, 20, 10, 30, 99], "rating": [5.0, 4.0, 5.0, 2.0, 4.0]}).astype(
    {"rating": "float32"}
)
OFFERED = pd.DataFrame({"experience_id": [5, 10, 20, 30], "name": list("abcd")})


def listed(n: int = 10, prior: float = 2.0, scale: tuple[float, float] = (1.0, 5.0)) -> list[tuple[int, int, float]]:
    found = popular(RATINGS, OFFERED, n=n, prior=prior, scale=scale)
    assert list(found.columns) == ["rank", "experience_id", "predicted_rating"]
    return list(found.itertuples(index=False, name=None))


def test_by_hand() -> None:
    # (10 + 2·4) / 4; without ratings 4; (4 + 8) / 3; (2 + 8) / 3. Equal averages rank by id.
    assert listed() == [(1, 10, 4.5), (2, 5, 4.0), (3, 20, 4.0), (4, 30, pytest.approx(10 / 3))]


def test_the_prior_decides_how_soon_ratings_are_believed() -> None:
    assert listed(prior=0.5)[0] == (1, 10, pytest.approx(12 / 2.5))
    assert listed(prior=1000.0)[0] == (1, 10, pytest.approx(4010 / 1002))


def test_many_good_ratings_outweigh_one_enthusiast() -> None:
    ratings = pd.DataFrame({"experience_id": [1] + [2] * 50 + [3] * 50, "rating": [5.0] + [4.9] * 50 + [2.0] * 50})
    found = popular(ratings, pd.DataFrame({"experience_id": [1, 2, 3]}), n=3, prior=10, scale=(1.0, 5.0))
    assert found["experience_id"].tolist() == [2, 1, 3]


def test_at_most_n() -> None:
    assert [row[:2] for row in listed(n=2)] == [(1, 10), (2, 5)]


def test_averages_stay_on_the_scale() -> None:
    assert [row[2] for row in listed(scale=(3.5, 4.2))] == pytest.approx([4.2, 4.0, 4.0, 3.5])


def test_what_is_not_offered_is_not_shown_but_its_ratings_count_for_the_mean() -> None:
    assert 99 not in [row[1] for row in listed()]
    without = popular(RATINGS[RATINGS["experience_id"] != 99], OFFERED, n=9, prior=2.0, scale=(1.0, 5.0))
    assert without["predicted_rating"].tolist()[1] == 4.0
    lower = RATINGS.assign(rating=RATINGS["rating"].where(RATINGS["experience_id"] != 99, 1.0))
    assert popular(lower, OFFERED, n=9, prior=2.0, scale=(1.0, 5.0))["predicted_rating"].tolist()[1] < 4.0
