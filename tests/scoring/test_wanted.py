"""Relevance of blocks of users, beside the product that it stands for."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from recommender_job.scoring import wanted
from tests.scoring import random_worlds as worlds

USERS, EXPERIENCES = np.arange(0, 60, 2), np.arange(5, 205)
ASKED, OFFERED = np.arange(50), np.arange(220)


@pytest.mark.parametrize("together", [1, 7, wanted.TOGETHER])
@pytest.mark.parametrize("kind", ["interactions", "factors", "popularity"])
@pytest.mark.parametrize("compiled", [False, True])
def test_it_is_the_product(monkeypatch: pytest.MonkeyPatch, kind: str, together: int, compiled: bool) -> None:
    """Whatever number of a user's ratings is added up at once; somebody has rated everything, somebody nothing."""
    monkeypatch.setattr(wanted, "TOGETHER", together)
    model = worlds.relevance(kind, USERS, EXPERIENCES)
    rated = worlds.rated(ASKED, OFFERED)
    rated = rated[rated["user_id"] != 4].assign(user_id=lambda frame: frame["user_id"].where(frame.index % 3 > 0, 8))
    features = model.features(ASKED, rated.drop_duplicates())
    matrix, popularity = model.columns(OFFERED)
    expected = features.block(0, len(ASKED)) @ matrix + popularity
    made = wanted.Wanted(model, OFFERED)
    known = made.known(ASKED, rated, 2, compiled=compiled)
    for start, users in ((0, range(50)), (3, range(8)), (40, [9]), (10, [0, 3, 4, 20])):
        for first, last in ((0, 220), (100, 220), (7, 8)):
            out = np.full((len(users), 230), 7, np.float32)
            own, width = np.array(users), last - first
            sure = made.into(known, start, own, out[:, :width], first, compiled=compiled)
            assert sure == (kind == "factors")
            np.testing.assert_allclose(out[:, :width], expected[start + own, first:last], atol=1e-4)
            assert (out[:, width:] == 7).all()
    assert not matrix[:, :5].any()
    assert not popularity[205:].any()
    assert kind == "popularity" or expected.std() > 1


def test_of_a_large_catalogue_one_copy_is_kept() -> None:
    """Factors of 8 for 100,000 experiences are 3.2 MB."""
    many = np.arange(100_000)
    model = worlds.relevance("factors", USERS, many)
    tracemalloc.start()
    try:
        made = wanted.Wanted(model, many)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(made, wanted.Wanted)
    assert kept < 1.5 * model.matrix.nbytes
