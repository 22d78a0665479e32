"""The stages train, evaluate and refit, on files in a run folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from recommender_job.config import Config, load_config
from recommender_job.errors import ArtifactBroken, NothingToTrainOn, StageMissing, TrainingDiverged
from recommender_job.ranking import stages
from recommender_job.ranking.baselines import baseline_predictions
from recommender_job.ranking.trained import TrainedModel
from recommender_job.ranking.training import fit
from recommender_job.ratings.clean import CLEAN
from recommender_job.ratings.split import split
from recommender_job.storage.artifacts import RunFolder

Frames = Callable[..., pd.DataFrame]
Models = Callable[..., TrainedModel]


@pytest.fixture
def settings() -> Callable[..., Config]:
    """Makes quick settings without a database."""
    quick = {"model.epochs": 3, "model.hidden_layers": (4,), "model.embedding_dimension": 4}
    return lambda **changes: load_config({**quick, **changes})


@pytest.fixture(scope="module")
def clean(frame: Frames) -> pd.DataFrame:
    """Ratings of a dozen users."""
    random = np.random.default_rng(8)
    pairs = [(user, e) for e in range(8) for user in range(12) if random.random() < 0.6]
    return frame([(user, e, float(random.integers(3, 6))) for user, e in pairs])


def test_train_fits_one_part_and_keeps_the_other(
    clean: pd.DataFrame, folder: RunFolder, settings: Callable[..., Config]
) -> None:
    config = settings()
    folder.write_table(CLEAN, clean)
    summary = stages.train(config, folder, "challenger")
    training, holdout = split(clean, "last", share=0.2, seed=config.seed)
    pd.testing.assert_frame_equal(folder.read_frame(stages.TRAIN), training)
    pd.testing.assert_frame_equal(folder.read_frame(stages.HOLDOUT), holdout)
    expected, figures = fit(training, config.model, seed=config.seed)
    assert TrainedModel.load(folder, "challenger").version == expected.version
    assert summary == {
        "pairs": len(training),
        "holdout": len(holdout),
        "epochs": 3,
        "loss": figures["loss"],
        "model_version": expected.version,
    }


def test_train_without_a_holdout_is_refused(frame: Frames, folder: RunFolder, settings: Callable[..., Config]) -> None:
    folder.write_table(CLEAN, frame([(1, 10, 5.0), (2, 10, 4.0)]))
    with pytest.raises(NothingToTrainOn, match="leaves 2 pairs to train on and 0 to evaluate on"):
        stages.train(settings(), folder, "challenger")


def test_train_refuses_ratings_that_break_their_contract(
    clean: pd.DataFrame, folder: RunFolder, settings: Callable[..., Config]
) -> None:
    folder.write_table(CLEAN, pd.concat([clean, clean.tail(1)], ignore_index=True))
    with pytest.raises(ArtifactBroken, match="Table `ratings` breaks its contract") as caught:
        stages.train(settings(), folder, "challenger")
    assert "user_id" in caught.value.cause


def evaluated(folder: RunFolder, frame: Frames, model: TrainedModel, config: Config) -> dict[str, Any]:
    folder.write_table(stages.TRAIN, frame([(10, 7, 5.0), (20, 9, 3.0), (20, 7, 4.0)]))
    # Predicted 7.8 (clipped to 5), 3 for two strangers, 4.55, 3.75.
    folder.write_table(stages.HOLDOUT, frame([(10, 7, 4.0), (99, 98, 5.0), (99, 7, 4.0), (10, 98, 3.0)]))
    model.save(folder, "challenger")
    return stages.evaluate(config, folder, "challenger")


def test_evaluate_by_hand(folder: RunFolder, frame: Frames, by_hand: Models, settings: Callable[..., Config]) -> None:
    config = settings(**{"gate.bias_shrinkage": 1.0})
    summary = evaluated(folder, frame, by_hand(), config)
    errors = np.array([1, -2, 0.55, 0.75])
    assert summary["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-6)
    assert summary["mae"] == pytest.approx(np.mean(np.abs(errors)), rel=1e-6)
    assert summary["n"] == 4
    assert summary["holdout"] == "last"
    assert summary["slices"] == {
        "known_users": {"rmse": pytest.approx(np.sqrt((1 + 0.75**2) / 2)), "mae": pytest.approx(0.875), "n": 2},
        "unknown_users": {"rmse": pytest.approx(np.sqrt((4 + 0.55**2) / 2)), "mae": pytest.approx(1.275), "n": 2},
        "known_experiences": {"rmse": pytest.approx(np.sqrt((1 + 0.55**2) / 2)), "mae": pytest.approx(0.775), "n": 2},
        "unknown_experiences": {"rmse": pytest.approx(np.sqrt((4 + 0.75**2) / 2)), "mae": pytest.approx(1.375), "n": 2},
    }
    # Always 4; and user 10 deviates by 1 / (1 + 1), user 99 by nothing.
    assert summary["baselines"]["global_mean"] == pytest.approx(np.sqrt((0 + 1 + 0 + 1) / 4))
    assert summary["baselines_mae"]["global_mean"] == pytest.approx(0.5)
    assert summary["baselines"]["user_mean"] == pytest.approx(np.sqrt((0.25 + 1 + 0 + 2.25) / 4))


def test_evaluate_keeps_every_prediction(
    folder: RunFolder, frame: Frames, by_hand: Models, settings: Callable[..., Config]
) -> None:
    config = settings()
    summary = evaluated(folder, frame, by_hand(), config)
    kept = folder.read_frame(stages.PREDICTIONS)
    pairs = ["user_id", "experience_id", "rating", "rated_at"]
    pd.testing.assert_frame_equal(kept[pairs], folder.read_frame(stages.HOLDOUT))
    np.testing.assert_allclose(kept["predicted_rating"], [5, 3, 4.55, 3.75], rtol=1e-6)
    naive = baseline_predictions(folder.read_frame(stages.TRAIN), kept, shrinkage=2.0, scale=(1.0, 5.0))
    for name in ("global_mean", "user_mean", "experience_mean", "user_experience_bias"):
        np.testing.assert_array_equal(kept[name], naive[name])
        assert summary["baselines"][name] == pytest.approx(root_mean_squared_error(kept["rating"], kept[name]))
        assert summary["baselines_mae"][name] == pytest.approx(mean_absolute_error(kept["rating"], kept[name]))
    assert summary["rmse"] == pytest.approx(root_mean_squared_error(kept["rating"], kept["predicted_rating"]))


def test_a_slice_without_pairs_has_no_figure(
    folder: RunFolder, frame: Frames, by_hand: Models, settings: Callable[..., Config]
) -> None:
    folder.write_table(stages.TRAIN, frame([(10, 7, 5.0)]))
    folder.write_table(stages.HOLDOUT, frame([(10, 9, 4.0)]))
    by_hand().save(folder, "challenger")
    slices = stages.evaluate(settings(), folder, "challenger")["slices"]
    assert slices["unknown_users"] == {"rmse": None, "mae": None, "n": 0}
    assert slices["known_users"]["n"] == 1


def test_a_prediction_that_is_no_number_stops_the_evaluation(
    folder: RunFolder, frame: Frames, by_hand: Models, settings: Callable[..., Config]
) -> None:
    model = by_hand()
    model.weights["user_bias"][1] = np.nan
    with pytest.raises(TrainingDiverged, match="Of 4 pairs, 2 have no finite prediction"):
        evaluated(folder, frame, model, settings())


def test_refit_trains_on_everything_for_as_long_as_the_challenger(
    clean: pd.DataFrame, folder: RunFolder, settings: Callable[..., Config]
) -> None:
    from recommender_job.ranking.tensorflow import tf

    config = settings(**{"model.epochs": 9, "model.validation_share": 0.3})
    folder.write_table(CLEAN, clean)
    folder.finish("train", {"epochs": 2})
    summary = stages.refit(config, folder, "final", "served")
    alone = config.model.model_copy(update={"epochs": 2, "validation_share": 0.0})
    expected, figures = fit(clean, alone, seed=config.seed)
    assert summary == {
        "pairs": len(clean),
        "epochs": 2,
        "loss": figures["loss"],
        "model_version": expected.version,
    }
    model = TrainedModel.load(folder, "final")
    assert model.version == expected.version
    assert Path(folder.url("served/saved_model.pb")).is_file()
    serve = tf.saved_model.load(folder.url("served")).signatures["serving_default"]
    users, experiences = clean["user_id"].to_numpy(), clean["experience_id"].to_numpy()
    served = serve(user_id=tf.constant(users), experience_id=tf.constant(experiences))["predicted_rating"]
    np.testing.assert_allclose(served, np.clip(model.predict(users, experiences), 1, 5), rtol=1e-6)


def test_refit_without_a_challenger_names_what_is_missing(
    clean: pd.DataFrame, folder: RunFolder, settings: Callable[..., Config]
) -> None:
    folder.write_table(CLEAN, clean)
    with pytest.raises(StageMissing, match="Stage `train` has not finished"):
        stages.refit(settings(), folder, "final", "served")
