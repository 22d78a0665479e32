"""The stage evaluate, on files in a run folder."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender_job.config import Config, load_config
from recommender_job.errors import ArtifactBroken, StageMissing, TrainingDiverged
from recommender_job.evaluating import stage
from recommender_job.evaluating.list_figures import list_figures
from recommender_job.evaluating.rating_figures import rating_figures
from recommender_job.ranking import inputs
from recommender_job.ranking.inputs import HOLDOUT, TRAIN
from recommender_job.ranking.predictor import Predictor
from recommender_job.storage.artifacts import RunFolder
from tests.evaluating.worlds import predictor, ratings, relevance

TRAINING = ratings([(10, 7, 5.0), (20, 9, 3.0), (20, 7, 4.0)])
HELD = ratings([(10, 7, 4.0), (99, 98, 5.0), (99, 7, 4.0), (10, 98, 3.0)])
#: Predicts 7.8 and 6.8 (clipped to 5) for experience 7.
MODEL = predictor(3.0, {10: 1.0, 20: 0.0}, {7: 3.8, 9: 0.0})
MODEL_PREDICTS = [5.0, 3.0, 5.0, 4.0]
OTHER = predictor(4.0, {}, {})
WANTED = relevance({10: [9]}, [7, 9])
SELECTION = {"how": "configured", "model": None, "relevance": {"method": "ease"}}


def evaluated(
    folder: RunFolder, config: Config | None = None, champion: str = "none", model: Predictor = MODEL
) -> dict[str, Any]:
    folder.write_table(TRAIN, TRAINING)
    folder.write_table(HOLDOUT, HELD)
    model.save(folder, "challenger")
    WANTED.save(folder, "challenger")
    if champion in ("trained", "same"):  # "same": what lies there is of an earlier attempt
        OTHER.save(folder, "champion")
    folder.finish("train", {"champion": champion, "selection": SELECTION})
    return stage.evaluate(config or load_config(), folder, "challenger", "champion")


def test_by_hand(folder: RunFolder) -> None:
    summary = evaluated(folder, load_config({"gate.bias_shrinkage": 1.0, "holdout": "time"}))
    errors = np.array([1, -2, 1, 1])
    assert summary["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-6)
    assert summary["mae"] == pytest.approx(np.mean(np.abs(errors)), rel=1e-6)
    assert summary["n"] == 4
    assert summary["holdout"] == "time"
    assert summary["selection"] == SELECTION
    assert summary["slices"]["known_users"] == {"rmse": pytest.approx(1), "mae": pytest.approx(1), "n": 2}
    assert summary["slices"]["unknown_users"] == {
        "rmse": pytest.approx(np.sqrt(2.5)), "mae": pytest.approx(1.5), "n": 2,
    }  # fmt: skip
    # Always 4; and user 10 deviates by 1 / (1 + 1), user 99 by nothing.
    assert summary["baselines"]["global_mean"] == pytest.approx(np.sqrt((0 + 1 + 0 + 1) / 4))
    assert summary["baselines"]["user_mean"] == pytest.approx(np.sqrt((0.25 + 1 + 0 + 2.25) / 4))
    # User 10 may be shown 9, user 99 both; nobody wanted 98.
    assert (summary["lists"]["users"], summary["lists"]["users_without_list"]) == (2, 0)
    assert summary["lists"]["users_who_liked"] == 2
    assert summary["lists"]["model"]["recall@10"] == pytest.approx((0 + 1 / 2) / 2)


def test_it_is_what_the_two_functions_find(folder: RunFolder) -> None:
    config = load_config()
    summary = evaluated(folder, config, "trained")
    figures, predictions = rating_figures(MODEL, TRAINING, HELD, config, OTHER)
    lists, kept = list_figures(MODEL, WANTED, TRAINING, HELD, config)
    assert summary == {
        **figures,
        "lists": lists,
        "holdout": "last",
        "champion_is": "trained",
        "model_version": MODEL.version,
        "selection": SELECTION,
    }
    pd.testing.assert_frame_equal(folder.read_frame(stage.PREDICTIONS), predictions)
    pd.testing.assert_frame_equal(folder.read_frame(stage.LISTS), kept)


def test_it_keeps_every_prediction_and_every_list(folder: RunFolder) -> None:
    evaluated(folder, champion="trained")
    kept = folder.read_frame(stage.PREDICTIONS)
    pd.testing.assert_frame_equal(kept[list(HELD)], HELD)
    np.testing.assert_allclose(kept["predicted_rating"], MODEL_PREDICTS, rtol=1e-6)
    assert kept["champion"].tolist() == [4, 4, 4, 4]
    assert {"global_mean", "user_mean", "experience_mean", "user_experience_bias"} < set(kept)
    lists = folder.read_frame(stage.LISTS)
    rows = lists[["user_id", "rank", "experience_id"]].values.tolist()
    assert rows == [[10, 1, 9], [99, 1, 7], [99, 2, 9]]


def test_the_summary_can_be_kept_as_json(folder: RunFolder) -> None:
    summary = evaluated(folder, champion="trained")
    assert json.loads(json.dumps(summary, allow_nan=False))["rmse"] == summary["rmse"]


@pytest.mark.parametrize("state", ["none", "same", "unreadable", "untrainable"])
def test_where_no_champion_was_trained_nothing_is_compared_with_it(folder: RunFolder, state: str) -> None:
    summary = evaluated(folder, champion=state)
    assert summary["champion_is"] == state
    assert summary["champion"] is None
    assert {found["with"] for found in summary["comparisons"]} == {"global_mean"}
    assert "champion" not in folder.read_frame(stage.PREDICTIONS)


def test_a_champion_that_was_trained_is_compared_with(folder: RunFolder) -> None:
    summary = evaluated(folder, champion="trained")
    assert summary["champion"] == {"rmse": pytest.approx(np.sqrt(0.5)), "mae": pytest.approx(0.5), "n": 4}
    assert [(found["on"], found["with"], found["n"], found["users"]) for found in summary["comparisons"]] == [
        ("all", "global_mean", 4, 2),
        ("all", "champion", 4, 2),
        ("known_users", "global_mean", 2, 1),
        ("known_users", "champion", 2, 1),
    ]


def test_a_champion_that_is_missing_is_an_error(folder: RunFolder) -> None:
    evaluated(folder)
    folder.finish("train", {"champion": "trained", "selection": SELECTION})
    with pytest.raises(ArtifactBroken, match="champion"):
        stage.evaluate(load_config(), folder, "challenger", "champion")


def test_a_prediction_that_is_no_number_stops_the_evaluation(folder: RunFolder) -> None:
    with pytest.raises(TrainingDiverged, match="Of 4 pairs, 2 have no finite prediction"):
        evaluated(folder, model=predictor(3.0, {10: np.nan}, {}))
    assert folder.summary_if_finished("evaluate") is None


def test_it_needs_the_train_stage_and_ratings_that_keep_their_contract(folder: RunFolder) -> None:
    folder.write_table(TRAIN, TRAINING)
    folder.write_table(HOLDOUT, HELD)
    with pytest.raises(StageMissing, match="Stage `train` has not finished"):
        stage.evaluate(load_config(), folder, "challenger", "champion")
    folder.write_table(HOLDOUT, pd.concat([HELD, HELD.tail(1)], ignore_index=True))
    with pytest.raises(ArtifactBroken, match="Table `ratings` breaks its contract"):
        stage.evaluate(load_config(), folder, "challenger", "champion")


def test_ratings_beyond_the_memory_give_the_same_figures(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = evaluated(folder, champion="trained")
    files = [folder.read_frame(name) for name in (stage.PREDICTIONS, stage.LISTS)]
    monkeypatch.setattr(inputs, "RATING_BYTES", 2 * 4096 * 2**20 // len(TRAINING))
    monkeypatch.setattr(inputs, "WINDOW_BYTES", 4096 * 2**20)
    monkeypatch.setattr(inputs, "BLOCK", 1)
    seen = []
    monkeypatch.setattr(stage, "list_figures", lambda *args: seen.append(args[2]) or list_figures(*args))
    assert evaluated(folder, champion="trained") == expected
    assert isinstance(seen[0].user, np.memmap)
    for name, frame in zip((stage.PREDICTIONS, stage.LISTS), files, strict=True):
        pd.testing.assert_frame_equal(folder.read_frame(name), frame)
    assert not list(folder.path.glob(".*"))
