"""Models without the user: all others are predicted as before."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest

from recommender_job import nightly
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.relevance import RelevanceModel
from recommender_job.ratings.clean import CLEAN
from tests.erasing.conftest import ERASED, RUNS, World

MODELS = [
    *((run, model) for run in RUNS for model in (nightly.CHALLENGER, nightly.FINAL)),
    (RUNS[1], nightly.CHAMPION),
]


def test_others_are_predicted_as_before_by_models_of_the_same_name(world: World) -> None:
    from recommender_job.ranking.tensorflow import tf

    ratings = world.folder().read_frame(CLEAN)
    others = np.setdiff1d(ratings["user_id"].unique(), [ERASED])
    experiences = np.resize(ratings["experience_id"].unique(), len(others))
    rated = ratings[["user_id", "experience_id"]]

    def told() -> list[Any]:
        found: list[Any] = []
        for run, name in MODELS:
            predictor = Predictor.load(world.folder(run), name)
            relevance = RelevanceModel.load(world.folder(run), name)
            features = relevance.features(others, rated).block(0, len(others))
            served = tf.saved_model.load(world.folder(run).url(nightly.SAVED_MODEL)).signatures["serving_default"]
            answers = served(user_id=tf.constant(others), experience_id=tf.constant(experiences))
            found += [predictor.version, predictor.predict(others, experiences), answers["predicted_rating"].numpy()]
            found += [features, relevance.matrix, relevance.share]
        return found

    before = told()
    world.erase()
    for old, new in zip(before, told(), strict=True):
        np.testing.assert_array_equal(old, new, strict=not isinstance(old, str))


def test_the_served_model_knows_the_user_no_more(world: World) -> None:
    from recommender_job.ranking.tensorflow import tf

    world.erase()
    served = tf.saved_model.load(world.folder().url(nightly.SAVED_MODEL)).signatures["serving_default"]
    ids = tf.constant([ERASED, 5_555], tf.int64)
    known, unknown = served(user_id=ids, experience_id=tf.constant([1, 1], tf.int64))["predicted_rating"].numpy()
    assert known == unknown


@pytest.mark.parametrize("model", ["there", "gone"])
def test_a_served_model_of_an_earlier_attempt_at_refit_is_noticed_by_its_bytes(world: World, model: str) -> None:
    old = world.runs / "old"
    shutil.copytree(world.runs / "second" / nightly.SAVED_MODEL, old)
    world.erase()
    shutil.rmtree(world.runs / "second" / nightly.SAVED_MODEL)
    old.rename(world.runs / "second" / nightly.SAVED_MODEL)
    assert world.traces() == [f"second/{nightly.SAVED_MODEL}/saved_model.pb"]
    if model == "gone":
        shutil.rmtree(world.runs / "second" / nightly.FINAL)
    served = world.erase()["runs"]["second"]["served"]
    assert served == {"there": "rewritten", "gone": "removed"}[model]
    assert world.traces() == []
