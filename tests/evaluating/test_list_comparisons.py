"""How sure it is that lists are worse than popularity's, and whether they are people's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender_job.evaluating.list_figures import list_figures
from tests.evaluating.small_world import SIX, configured
from tests.evaluating.worlds import ratings, relevance


def shown_to(share: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """Figures where everybody went on to like experience 1, the most popular, and a share of the lists holds it."""
    training = ratings([(user, 1 + (user % 4 > 0) * user % 30, 4.0) for user in range(200, 300)])
    users = range(40)
    wanted = {user: [1] if user < share * 40 else list(range(2, 12)) for user in users}
    found = relevance(wanted, sorted(set(training["experience_id"])))
    pairs = ratings([(user, 1, 5.0) for user in users])
    strict, _ = list_figures(SIX, found, training, pairs, configured())
    lenient, _ = list_figures(SIX, found, training, pairs, configured(gate__max_list_loss=0.5))
    return strict, lenient


@pytest.mark.parametrize(("share", "strict", "lenient"), [(1, False, False), (0.7, True, False), (0.3, True, True)])
def test_how_sure_it_is_that_lists_hold_less_than_popularitys(share: float, strict: bool, lenient: bool) -> None:
    found = shown_to(share)
    for figures, below in zip(found, (strict, lenient), strict=True):
        assert figures["model"]["recall@10"] == pytest.approx(share)
        assert figures["popularity"]["recall@10"] == 1
        assert (figures["below_popularity"] < 0.01) == below
        low, high = figures["model"]["recall@10_interval"]
        assert low <= share <= high
        assert high - low == pytest.approx(2 * 1.96 * np.sqrt(share * (1 - share) / 40), abs=0.05)
    if share == 1:
        assert found[0]["below_popularity"] == 1.0


def test_lists_of_ones_own_and_lists_for_all() -> None:
    training = ratings([(user, 1 + e, 4.0) for user in range(30) for e in {user % 40, (user + 1) % 40}])
    training = pd.concat([training, ratings([(99, e, 4.0) for e in range(1, 60)])], ignore_index=True)
    pairs = ratings([(user, 50, 5.0) for user in range(30)])
    # What nobody has rated but user 99.
    same = relevance({}, [*range(59, 0, -1)])
    own = relevance({user: list(range(user % 9 + 35, user % 9 + 45)) for user in range(30)}, range(1, 60))
    for found, personal in ((same, 0.0), (own, pytest.approx(0.9, abs=0.1))):
        figures, _ = list_figures(SIX, found, training, pairs, configured())
        assert figures["model"]["lists_compared"] == 30
        assert figures["model"]["personal_lists"] == personal
