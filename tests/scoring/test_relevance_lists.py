"""Lists that relevance picks: the same as pair by pair, whatever it knows of users and experiences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.relevance import RelevanceModel
from recommender_job.ranking.trained import TrainedModel
from recommender_job.scoring import lists
from tests.scoring.reference import alone, brute_force, listed, some_rated

Asked = tuple[np.ndarray, np.ndarray]
Models = Callable[..., TrainedModel]
Wanted = Callable[..., RelevanceModel]
KINDS = ["interactions", "factors", "popularity"]
N = 3
#: As many as the list holds, some more, and all ten.
CANDIDATES = [N, 5, 10]


@pytest.fixture
def without_dislikes(wanted: Wanted) -> Callable[[str], RelevanceModel]:
    """Relevance without negative values, so that what it does not know is never preferred to what it knows."""
    return lambda kind: wanted(kind, lowest=0)


@pytest.mark.parametrize("compiled_from", [1, lists.COMPILED_FROM])
@pytest.mark.parametrize("by_relevance", [False, True])
@pytest.mark.parametrize("candidates", CANDIDATES)
@pytest.mark.parametrize("kind", KINDS)
def test_blocks_agree_with_pair_by_pair(
    several: Predictor,
    wanted: Wanted,
    asked: Asked,
    kind: str,
    candidates: int,
    by_relevance: bool,
    compiled_from: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lists, "COMPILED_FROM", compiled_from)
    relevance, rated = wanted(kind), some_rated(*asked)
    expected = brute_force(several, *asked, rated, N, relevance, candidates, by_relevance)
    for block_pairs in (1, 50, 10_000):
        assert listed(several, *asked, rated, N, block_pairs, relevance, candidates, by_relevance) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_relevance_decides_what_is_listed_and_the_predicted_rating_where(
    several: Predictor, wanted: Wanted, asked: Asked, kind: str
) -> None:
    rated = some_rated(*asked)
    picked = listed(several, *asked, rated, N, relevance=wanted(kind), candidates=N)
    ordered = listed(several, *asked, rated, N, relevance=wanted(kind), candidates=N, by_relevance=True)
    assert {(user, e) for user, _, e, _ in picked} == {(user, e) for user, _, e, _ in ordered}
    assert picked != ordered
    for user in asked[0].tolist():
        own = [(-score, e) for owner, _, e, score in picked if owner == user]
        assert own == sorted(own)


@pytest.mark.parametrize("kind", KINDS)
def test_with_all_as_candidates_relevance_does_not_matter_to_the_predicted_rating(
    several: Predictor, wanted: Wanted, asked: Asked, kind: str
) -> None:
    rated = some_rated(*asked)
    assert listed(several, *asked, rated, N, relevance=wanted(kind), candidates=10) == listed(several, *asked, rated, N)


def test_never_fewer_candidates_than_places(several: Predictor, wanted: Wanted, asked: Asked) -> None:
    rated = some_rated(*asked)
    found = listed(several, *asked, rated, 4, relevance=wanted("factors"), candidates=1)
    assert found == brute_force(several, *asked, rated, 4, wanted("factors"), 4)


@pytest.mark.parametrize("by_relevance", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_rated_pair_is_not_listed_however_few_are_left(
    exact: Models, wanted: Wanted, kind: str, by_relevance: bool, pairs: Callable[..., pd.DataFrame]
) -> None:
    users, experiences = np.array([1, 2, 5]), np.array([4, 6, 10, 11])
    rated = pairs((1, 4), (1, 11), (2, 4), (2, 6), (2, 10), (2, 11), (5, 6))
    found = listed(
        alone(exact(seed=1)), users, experiences, rated, 3, relevance=wanted(kind), candidates=3,
        by_relevance=by_relevance,
    )  # fmt: skip
    assert [(user, rank) for user, rank, _, _ in found] == [(1, 1), (1, 2), (5, 1), (5, 2), (5, 3)]
    assert {(user, e) for user, _, e, _ in found} == {(1, 6), (1, 10), (5, 4), (5, 10), (5, 11)}


@pytest.mark.parametrize("by_relevance", [False, True])
def test_ties_go_by_experience_id(
    exact: Models, wanted: Wanted, by_relevance: bool, pairs: Callable[..., pd.DataFrame]
) -> None:
    model, relevance = exact(), wanted("popularity")
    for values in model.weights.values():
        values[:] = 0
    # Shares: -3 a quarter, 4 and 11 a half, 6 and 12 an eighth.
    experiences = np.array([-3, 4, 6, 11, 12])
    found = listed(
        alone(model), np.array([1]), experiences, pairs(), 4, relevance=relevance, candidates=4,
        by_relevance=by_relevance,
    )  # fmt: skip
    # 6 comes in before 12; where all predicted ratings are the same, the list goes by id.
    assert [e for _, _, e, _ in found] == ([4, 11, -3, 6] if by_relevance else [-3, 4, 6, 11])


@pytest.mark.parametrize("kind", KINDS)
def test_users_unknown_to_relevance_get_what_is_popular(
    exact: Models, without_dislikes: Callable[[str], RelevanceModel], kind: str, pairs: Callable[..., pd.DataFrame]
) -> None:
    # User 1 has no factors and has rated only what relevance does not know; the others are known by either.
    users, experiences = np.array([-7, 1, 2, 5]), np.array([-3, 0, 4, 6, 7, 11, 12])
    rated = pairs((1, 7), (-7, 12), (2, 4), (5, 12))
    found = listed(
        alone(exact()), users, experiences, rated, 4, relevance=without_dislikes(kind), candidates=4, by_relevance=True
    )
    own = {user: [e for owner, _, e, _ in found if owner == user] for user in users.tolist()}
    assert own[1] == [4, 11, -3, 6]
    popular = {-7: [4, 11, -3, 6], 1: [4, 11, -3, 6], 2: [11, -3, 6, 12], 5: [4, 11, -3, 6]}
    assert (own == popular) == (kind == "popularity")


@pytest.mark.parametrize("kind", KINDS)
def test_experiences_unknown_to_relevance_come_last(
    several: Predictor, without_dislikes: Callable[[str], RelevanceModel], asked: Asked, kind: str
) -> None:
    users, experiences = asked
    nothing = pd.DataFrame(columns=["user_id", "experience_id"], dtype="int64")
    found = listed(
        several, users, experiences, nothing, 10, relevance=without_dislikes(kind), candidates=10, by_relevance=True
    )
    for user in users.tolist():
        own = [e for owner, _, e, _ in found if owner == user]
        assert set(own[:5]) == {-3, 4, 6, 11, 12}
        assert own[5:] == [0, 7, 10, 2**50, 2**63 - 1]


def test_a_catalogue_that_relevance_does_not_know_at_all(
    exact: Models, wanted: Wanted, pairs: Callable[..., pd.DataFrame]
) -> None:
    users, experiences = np.array([1, 2]), np.array([7, 8, 10])
    for kind in KINDS:
        found = listed(alone(exact()), users, experiences, pairs((1, 8)), 2, relevance=wanted(kind), candidates=2)
        assert [(user, e) for user, _, e, _ in sorted(found, key=lambda row: (row[0], row[2]))] == [
            (1, 7), (1, 10), (2, 7), (2, 8),
        ]  # fmt: skip
