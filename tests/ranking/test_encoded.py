"""Ratings as rows of tables say what the frame said, in memory and on the disk, whole and in parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recommender_job.ranking import encoded, relevance
from recommender_job.ranking.encoded import Encoded, Spill
from recommender_job.ranking.ids import IdMap
from recommender_job.ranking.recipe import RelevancePart
from recommender_job.ranking.relevance import train_relevance
from tests.ranking import worlds


@pytest.fixture(params=["memory", "disk"])
def made(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Encoded:
    """Of `worlds.noise()`, looked at in parts that end nowhere in particular."""
    monkeypatch.setattr(encoded, "PART", 37)
    return Encoded.of(worlds.noise(), Spill(tmp_path, 100) if request.param == "disk" else None)


def test_it_is_the_frame(made: Encoded, tmp_path: Path) -> None:
    ratings = worlds.noise()
    np.testing.assert_array_equal(made.users.ids[made.user - 1], ratings["user_id"])
    np.testing.assert_array_equal(made.experiences.ids[made.experience - 1], ratings["experience_id"])
    np.testing.assert_array_equal(made.rating, ratings["rating"])
    assert made.mean == pytest.approx(ratings["rating"].astype(float).mean(), rel=1e-12)
    assert not list(tmp_path.iterdir()), "files without names are gone when nobody looks at them"


def test_counts_are_those_of_each_row_and_of_nobody_else(made: Encoded) -> None:
    ratings = worlds.noise()
    for counts, column in ((made.user_counts, "user_id"), (made.experience_counts, "experience_id")):
        assert counts[0] == 0
        assert counts[1:].tolist() == ratings[column].value_counts().sort_index().tolist()


def test_the_ratings_of_some_users_keep_their_order(made: Encoded) -> None:
    ratings = worlds.noise()
    some = np.array([*np.unique(ratings["user_id"])[3:30:5], 999_999])
    expected = ratings.loc[ratings["user_id"].isin(some), ["user_id", "experience_id"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(made.rated_by(some), expected)
    assert made.rated_by(np.array([999_999])).empty


@pytest.mark.parametrize("spill", [False, True])
def test_ids_that_a_table_lacks_are_unseen(tmp_path: Path, spill: bool) -> None:
    ratings = worlds.ratings(np.array([1, 2, 3]), np.array([7, 8, 7]), np.array([1, 2, 3]))
    users, experiences = IdMap(np.array([2, 3, 4])), IdMap(np.array([8]))
    found = Encoded.of(ratings, Spill(tmp_path, 2) if spill else None, users=users, experiences=experiences)
    assert (found.user.tolist(), found.experience.tolist()) == ([0, 1, 2], [0, 1, 0])
    assert found.user_counts.tolist() == [1, 1, 1, 0]
    assert found.rated_by(np.array([9])).empty, (
        "somebody who is not known has not rated what others that are not known have"
    )


@pytest.mark.parametrize(
    "part", [RelevancePart(method="ease", l2=5.0, activity_power=0.5), RelevancePart(method="als")]
)
def test_relevance_is_learned_from_some_users_after_others_as_from_all(
    part: RelevancePart, made: Encoded, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_relevance(worlds.noise(), part, seed=1)
    monkeypatch.setattr(relevance, "TOGETHER", 50)
    found = train_relevance(made, part, seed=1)
    np.testing.assert_allclose(found.matrix, whole.matrix, atol=1e-5)
    assert found.share.tobytes() == whole.share.tobytes()
    if part.method == "als":
        assert found.factors is not None
        assert whole.factors is not None
        np.testing.assert_allclose(found.factors, whole.factors, atol=1e-5)
