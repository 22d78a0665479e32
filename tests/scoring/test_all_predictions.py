"""`keep_all_predictions`: the predicted rating of every pair of a shard, once, in the run folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from recommender_job.config import load_config
from recommender_job.errors import TrainingDiverged
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.relevance import RelevanceModel
from recommender_job.ranking.trained import TrainedModel
from recommender_job.ratings.clean import CLEAN
from recommender_job.scoring import lists as lists_module
from recommender_job.scoring import parts
from recommender_job.scoring.plan import PLANNED_EXPERIENCES, PLANNED_OPT_OUTS, PLANNED_USERS
from recommender_job.scoring.predicted import PredictedRatings
from recommender_job.scoring.score import lists_file, predictions_file, score
from recommender_job.storage.artifacts import RunFolder
from recommender_job.tables import ALL_PREDICTIONS
from tests.scoring import random_worlds as worlds
from tests.scoring.reference import alone

USERS = {0: [-7, 2, 5, 2**63 - 1], 1: [1, 4]}
EXPERIENCES = [-3, 0, 4, 11, 2**63 - 1]


@pytest.fixture
def planned(folder: RunFolder) -> RunFolder:
    """A run folder as it stands before scoring: two shards, one of whose users is unknown to the model."""
    rows = [(user, shard) for shard, users in USERS.items() for user in users]
    folder.write_table(PLANNED_USERS, pd.DataFrame(rows, columns=["user_id", "shard"]))
    offered = pd.DataFrame({"experience_id": EXPERIENCES, "name": list("abcde"), "group": range(5)})
    folder.write_table(PLANNED_EXPERIENCES, offered.assign(group_name=None, pin=pd.array([None] * 5, "Int64")))
    folder.write_table(PLANNED_OPT_OUTS, pd.DataFrame({"user_id": [], "experience_id": []}, dtype="int64"))
    rated = pd.DataFrame([(-7, -3), (2, 4), (1, 11), (1, 99)], columns=["user_id", "experience_id"])
    folder.write_table(CLEAN, rated)
    return folder


@pytest.fixture
def scored(planned: RunFolder, several: Predictor, wanted: Callable[..., RelevanceModel]) -> Callable[..., RunFolder]:
    """Scores a shard, two users at a time."""

    def work(shard: int = 0, **settings: Any) -> RunFolder:
        config = load_config({"top_n": 2, "block_pairs": 10, **settings})
        score(config, planned, shard, several, wanted("interactions"))
        return planned

    return work


def test_every_pair_once_also_the_rated_ones(scored: Callable[..., RunFolder], several: Predictor) -> None:
    for shard, users in USERS.items():
        kept = scored(shard, keep_all_predictions=True).read_table(predictions_file(shard))
        assert kept.schema.remove_metadata() == ALL_PREDICTIONS
        pairs = list(zip(kept["user_id"].to_pylist(), kept["experience_id"].to_pylist(), strict=True))
        assert pairs == [(user, experience) for user in users for experience in EXPERIENCES]
        predicted = several.predict(*np.array(pairs, np.int64).T)
        assert kept["predicted_rating"].to_pylist() == np.clip(predicted, 1, 5).tolist()
        assert len(set(predicted.tolist())) > 5


def test_they_are_clipped_to_the_scale(scored: Callable[..., RunFolder], several: Predictor) -> None:
    settings = {"keep_all_predictions": True, "rating_min": 3.25, "rating_max": 3.75, "relevant_rating": 3.5}
    kept = scored(**settings).read_frame(predictions_file(0))
    predicted = several.predict(kept["user_id"].to_numpy(), kept["experience_id"].to_numpy())
    assert predicted.min() < 3.25
    assert predicted.max() > 3.75
    assert kept["predicted_rating"].tolist() == np.clip(predicted, 3.25, 3.75).tolist()


def test_what_is_listed_is_predicted_the_same(scored: Callable[..., RunFolder]) -> None:
    folder = scored(keep_all_predictions=True)
    kept = folder.read_frame(predictions_file(0)).set_index(["user_id", "experience_id"])["predicted_rating"]
    lists = folder.read_frame(lists_file(0))
    assert kept[list(zip(lists["user_id"], lists["experience_id"], strict=True))].tolist() == (
        lists["predicted_rating"].tolist()
    )
    assert len(lists) == 8


@pytest.mark.parametrize("settings", [{}, {"candidates_per_user": "all"}, {"order_by": "relevance"}])
def test_also_where_sums_are_rounded(planned: RunFolder, settings: dict[str, str]) -> None:
    """And the rated pairs are among them, which no list may show."""
    experiences = np.arange(300)
    offered = pd.DataFrame({"experience_id": experiences, "name": "a", "group": experiences})
    planned.write_table(PLANNED_EXPERIENCES, offered.assign(group_name=None, pin=pd.array([None] * 300, "Int64")))
    users = np.array(USERS[0])
    rated = worlds.rated(users, experiences)
    planned.write_table(CLEAN, rated)
    models = worlds.predictor("average", users, experiences), worlds.relevance("factors", users, experiences)
    score(load_config({"keep_all_predictions": True, **settings}), planned, 0, *models)
    kept = planned.read_frame(predictions_file(0)).set_index(["user_id", "experience_id"])["predicted_rating"]
    lists = planned.read_frame(lists_file(0)).set_index(["user_id", "experience_id"])["predicted_rating"]
    assert kept[lists.index].tolist() == lists.tolist()
    predicted = models[0].predict(rated["user_id"].to_numpy(), rated["experience_id"].to_numpy())
    left_out = kept[pd.MultiIndex.from_frame(rated)]
    np.testing.assert_allclose(left_out, np.clip(predicted, 1, 5), atol=2e-5)
    assert left_out.nunique() > 50


def test_the_lists_do_not_depend_on_it(scored: Callable[..., RunFolder]) -> None:
    without = scored().read_frame(lists_file(0))
    pd.testing.assert_frame_equal(scored(keep_all_predictions=True).read_frame(lists_file(0)), without)


def test_a_shard_read_a_few_users_at_a_time_is_the_same(
    scored: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    def written() -> list[pd.DataFrame]:
        folder = scored(keep_all_predictions=True)
        return [folder.read_frame(name(0)) for name in (lists_file, predictions_file)]

    whole = written()
    for users in (1, 3):
        monkeypatch.setattr(parts, "USERS_TOGETHER", users)
        for found, expected in zip(written(), whole, strict=True):
            pd.testing.assert_frame_equal(found, expected)
    assert len(whole[0]) == 8


def test_lists_are_written_in_parts(scored: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = scored().read_frame(lists_file(0))
    monkeypatch.setattr(lists_module, "PART_ROWS", 3)
    folder = scored()
    pd.testing.assert_frame_equal(folder.read_frame(lists_file(0)), whole)
    assert pq.ParquetFile(str(folder.path / lists_file(0))).num_row_groups == 2


@pytest.mark.parametrize("predict", ["all", "candidates"])
def test_pairs_are_predicted_as_configured(
    scored: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch, predict: str
) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(PredictedRatings, "every", lambda self, rows, out, first: (asked.append(True), out.fill(3))[0])
    scored(predict=predict)
    assert bool(asked) == (predict == "all")


def test_a_shard_of_nobody_has_an_empty_file(scored: Callable[..., RunFolder]) -> None:
    lists = scored(7).read_frame(lists_file(7))
    assert lists.empty
    assert [str(kind) for kind in lists.dtypes] == ["int64", "int16", "int64", "float32"]


def test_nothing_without_the_switch(scored: Callable[..., RunFolder]) -> None:
    folder = scored()
    assert sorted(path.name for path in (folder.path / "score").iterdir()) == ["lists-0000.parquet"]


def test_scoring_again_replaces_them(scored: Callable[..., RunFolder]) -> None:
    folder = scored(keep_all_predictions=True, rating_max=3.5, relevant_rating=3.5)
    scored(keep_all_predictions=True)
    assert len(folder.read_frame(predictions_file(0))) == 20
    assert folder.read_frame(predictions_file(0))["predicted_rating"].max() > 3.5


def test_a_shard_that_fails_half_way_leaves_none(
    planned: RunFolder, exact: Callable[..., TrainedModel], wanted: Callable[..., RelevanceModel]
) -> None:
    model = exact()
    model.weights["user_bias"][-1] = np.nan  # the shard's last user, in its second block
    config = load_config({"top_n": 2, "block_pairs": 10, "keep_all_predictions": True})
    with pytest.raises(TrainingDiverged, match="users 5 to 9223372036854775807 "):
        score(config, planned, 0, alone(model), wanted("factors"))
    assert not list((planned.path / "score").iterdir())


def test_scoring_again_without_the_switch_takes_the_earlier_file_back(scored: Callable[..., RunFolder]) -> None:
    kept = scored(keep_all_predictions=True).path / predictions_file(0)
    assert kept.exists()
    scored()
    assert not kept.exists()
