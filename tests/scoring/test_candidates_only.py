"""`predict = "candidates"`: fewer predicted ratings, the same lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender_job.config import load_config
from recommender_job.errors import ConfigurationError, TrainingDiverged
from recommender_job.scoring.lists import configured, top_lists
from recommender_job.scoring.predicted import PredictedRatings
from recommender_job.scoring.rules import Rules
from tests.scoring import random_worlds as worlds


@settings(max_examples=150)
@given(data=st.data())
def test_the_lists_are_the_same_to_the_bit(data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 10**6), "seed")
    random = np.random.default_rng(seed)
    users, experiences = (
        np.arange(data.draw(st.integers(1, 60), "users")),
        np.arange(data.draw(st.integers(1, 70), "m")),
    )
    m, trained = len(experiences), (users[::2], experiences[1:] if len(experiences) > 1 else experiences)
    n = data.draw(st.integers(1, 12), "n")
    rated, opt_outs = (worlds.rated(users, experiences, share, seed) for share in (0.3, 0.05))
    rules = Rules(
        random.integers(0, data.draw(st.integers(1, m), "groups"), m),
        random.permutation(m)[: data.draw(st.integers(0, 4), "pins")],
        data.draw(st.none() | st.integers(1, 3), "cap"),
    )
    kind = data.draw(st.sampled_from([*worlds.KINDS, "average"]), "kind")
    predictor = worlds.predictor(kind, *trained, seed=seed)
    relevance = worlds.relevance(data.draw(st.sampled_from(["interactions", "factors", "popularity"])), *trained)
    ties, size = data.draw(st.booleans(), "ties"), data.draw(st.sampled_from([2.0**-20, 1, 2.0**20]), "size")
    for weights in (model.weights for _, model in predictor.networks):
        for values in weights.values():
            values[:] = size * (np.round(values) if ties else values)
    relevance.matrix[:] *= size
    relevance.share[:] *= size
    how: dict[str, Any] = {
        "n": n,
        "scale": (-np.inf, np.inf),
        "relevance": relevance,
        "candidates": n + data.draw(st.integers(0, 30), "more"),
        "order_by": data.draw(st.sampled_from(["predicted_rating", "relevance"]), "order_by"),
        "rules": data.draw(st.sampled_from([None, rules]), "rules"),
        "opt_outs": data.draw(st.sampled_from([None, opt_outs]), "opt_outs"),
    }
    every, some = (
        top_lists(predictor, users, experiences, rated, predict=predict, block_pairs=block, threads=1, **how)
        for predict, block in (("all", 10_000), ("candidates", 500))
    )
    pd.testing.assert_frame_equal(every, some)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of the predicted ratings."""
    asked: list[str] = []
    for name in ("every", "some"):
        work = getattr(PredictedRatings, name)
        monkeypatch.setattr(
            PredictedRatings, name, lambda *given, name=name, work=work: (asked.append(name), work(*given))[1]
        )
    return asked


@pytest.mark.parametrize(
    ("predict", "settings", "asked"),
    [
        ("all", {}, {"every", "some"}),
        ("candidates", {}, {"some"}),
        ("candidates", {"candidates_per_user": "all", "order_by": "relevance"}, {"some"}),
        ("all", {"candidates_per_user": "all"}, {"every"}),
        # Figures of lists ask for what they need, whatever is configured.
        ("candidates", {"candidates_per_user": "all"}, {"every"}),
    ],
)
def test_only_what_is_asked_for_is_predicted(
    counted: list[str], predict: Any, settings: dict[str, str], asked: set[str]
) -> None:
    users, experiences = np.arange(4), np.arange(30)
    models = worlds.predictor("average", users, experiences), worlds.relevance("factors", users, experiences)
    maker = configured(load_config(settings), *models, experiences, n=3, predict=predict)
    assert len(pd.concat(maker.lists(users, worlds.rated(users, experiences)))) == 12
    assert set(counted) == asked


@pytest.mark.parametrize("predict", ["all", "candidates"])
@pytest.mark.parametrize("broken", [np.nan, np.inf, 3e38])
def test_what_is_not_finite_is_refused(predict: str, broken: float) -> None:
    users, experiences = np.arange(4), np.arange(30)
    predictor = worlds.predictor("everything", users, experiences)
    relevance = worlds.relevance("factors", users, experiences)
    how: dict[str, Any] = {"n": 3, "scale": (1, 5), "block_pairs": 60, "relevance": relevance, "predict": predict}
    rated = worlds.rated(users, experiences)
    predictor.networks[0][1].weights["user_embedding"][4] = broken
    with pytest.raises(TrainingDiverged, match=r"A predicted rating of users . to 3 is not a finite number") as caught:
        top_lists(predictor, users, experiences, rated, **how)
    assert "Clear `refit`" in caught.value.action
    predictor.networks[0][1].weights["user_embedding"][4] = 1
    assert len(top_lists(predictor, users, experiences, rated, **how)) == 12
    assert relevance.factors is not None
    relevance.factors[2] = broken
    with pytest.raises(TrainingDiverged, match=r"A relevance of users . to . is not a finite number"):
        top_lists(predictor, users, experiences, rated, **how)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"keep_all_predictions": True}, "keep_all_predictions needs predict = all"),
        ({"candidates_per_user": "all"}, "candidates_per_user = all needs predict = all, or order_by = relevance"),
    ],
)
def test_settings_that_contradict_it_are_refused(settings: dict[str, Any], told: str) -> None:
    load_config(settings)
    with pytest.raises(ConfigurationError, match=told):
        load_config({"predict": "candidates", **settings})
