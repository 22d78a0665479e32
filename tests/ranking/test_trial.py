"""A candidate on the validation parts: when it has served best, when it is given up, and when it has failed."""

from __future__ import annotations

import numpy as np
import pytest

from recommender_job.ranking.folds import Fold, validation_folds
from recommender_job.ranking.trainer import Trainers
from recommender_job.ranking.training import fit
from recommender_job.ranking.trial import Trial, clearly_better, rmse_of
from recommender_job.settings import ModelConfig
from tests.ranking import worlds
from tests.ranking.worlds import CANDIDATES, choosing, ticking

CHECKPOINTS = (2, 4, 8, 12, 16)  # an eighth, a quarter, half, three quarters and all of 16 epochs
WIDE = (-100.0, 100.0)


@pytest.fixture(scope="module")
def trainers() -> Trainers:
    return Trainers(worlds.noise())


@pytest.fixture(scope="module")
def apart() -> Trainers:
    """What the figures are checked with."""
    return Trainers(worlds.noise())


def model(name: str, **changes: object) -> ModelConfig:
    return ModelConfig(**{**CANDIDATES[name], **changes})


def predicted(settings: ModelConfig, folds: list[Fold], apart: Trainers) -> np.ndarray:
    """By a training of its own on each fold."""
    parts = []
    for training, validation in folds:
        trained, _ = fit(training, settings, seed=7, trainers=apart)
        parts.append(trained.predict(validation["user_id"].to_numpy(), validation["experience_id"].to_numpy()))
    return np.concatenate(parts)


def curve(settings: ModelConfig, folds: list[Fold], apart: Trainers) -> dict[int, float]:
    """RMSE after each number of epochs."""
    actual = np.concatenate([fold.validation["rating"] for fold in folds])
    scores = {}
    for epochs in CHECKPOINTS:
        values = predicted(settings.model_copy(update={"epochs": epochs}), folds, apart)
        scores[epochs] = float(np.sqrt(np.mean((np.clip(values, 1, 5) - actual) ** 2)))
    return scores


def tried(settings: ModelConfig, folds: list[Fold], trainers: Trainers) -> Trial:
    trial = Trial(settings, 7, (1.0, 5.0), ticking())
    trial.run(folds, trainers)
    return trial


def test_it_is_taken_at_its_best_where_it_overfits_afterwards(trainers: Trainers, apart: Trainers) -> None:
    folds = validation_folds(worlds.noise(), choosing())
    trial, scores = tried(model("factors"), folds, trainers), curve(model("factors"), folds, apart)
    best = min(scores, key=lambda epochs: scores[epochs])
    assert scores[16] > 1.1 * scores[best]
    assert trial.epochs == best == trial.settings.epochs
    assert trial.rmse == pytest.approx(scores[best])
    assert trial.settings == model("factors", epochs=best)
    np.testing.assert_allclose(trial.predictions, predicted(trial.settings, folds, apart), atol=1e-5)


def test_it_goes_all_the_way_where_fewer_epochs_are_no_clear_gain(trainers: Trainers, apart: Trainers) -> None:
    folds = validation_folds(worlds.noise(), choosing())[:1]
    trial, scores = tried(model("flat"), folds, trainers), curve(model("flat"), folds, apart)
    assert min(scores, key=lambda epochs: scores[epochs]) < 16
    assert trial.epochs == 16
    assert trial.rmse == pytest.approx(scores[16])


def test_it_is_given_up_where_it_is_lost(trainers: Trainers, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer, asked = trainers.of(model("factors")), []
    predict = trainer.predict
    monkeypatch.setattr(trainer, "predict", lambda pairs: asked.append(len(pairs)) or predict(pairs))
    trial = tried(model("factors"), validation_folds(worlds.noise(), choosing())[:1], trainers)
    assert trial.epochs == 2
    assert len(asked) < len(CHECKPOINTS)
    asked.clear()
    tried(model("factors"), validation_folds(worlds.tastes(), choosing())[:1], trainers)
    assert len(asked) == len(CHECKPOINTS)


def test_it_is_taken_at_epochs_that_every_fold_reached(trainers: Trainers, apart: Trainers) -> None:
    # It learns tastes to the end, and is given up on noise: in whichever order they come.
    on_tastes, on_noise = (validation_folds(make(), choosing())[0] for make in (worlds.tastes, worlds.noise))
    for folds in ([on_tastes, on_noise], [on_noise, on_tastes]):
        trial, scores = tried(model("factors"), folds, trainers), curve(model("factors"), folds, apart)
        assert trial.epochs < 16
        assert trial.rmse == pytest.approx(scores[trial.epochs])
    assert tried(model("factors"), [on_tastes], trainers).epochs > trial.epochs


def test_few_epochs_have_fewer_checkpoints(trainers: Trainers) -> None:
    folds = validation_folds(worlds.biases(), choosing())
    assert tried(model("biases", epochs=1), folds, trainers).epochs == 1
    assert tried(model("biases", epochs=3), folds, trainers).epochs in (1, 2, 3)


def test_one_that_fails_on_any_fold_has_failed(trainers: Trainers) -> None:
    folds = validation_folds(worlds.noise(), choosing())
    large = folds[1].training["rating"] * np.float32(1e25)  # their squares are no numbers any more
    absurd = folds[1]._replace(training=folds[1].training.assign(rating=large))
    trial = tried(model("factors"), [folds[0], absurd], trainers)
    assert trial.diverged
    assert trial.report() == {"diverged": True, "seconds": 1}
    sound = tried(model("factors"), folds, trainers)
    assert not sound.diverged
    assert sound.report() == {"rmse": sound.rmse, "epochs": sound.epochs, "seconds": 1}


def test_what_is_clearly_better_depends_on_how_many_pairs_say_so() -> None:
    # A hundredth of 1,296 pairs, a tenth of that of 129,600.
    assert clearly_better(0.9899, 1.0, 1296)
    assert not clearly_better(0.9901, 1.0, 1296)
    assert clearly_better(1.9979, 2.0, 129_600)
    assert not clearly_better(1.9981, 2.0, 129_600)
    assert not clearly_better(0.0, 0.0, 5)


def test_the_error_is_that_of_the_clipped_prediction() -> None:
    asked, actual = np.array([6.0, 0.0, 3.0, 4.0]), np.array([5.0, 2.0, 3.0, 2.0])
    assert rmse_of(asked, actual, (1.0, 5.0)) == pytest.approx(np.sqrt((0 + 1 + 0 + 4) / 4))
    assert rmse_of(asked, actual, WIDE) == pytest.approx(np.sqrt((1 + 4 + 0 + 4) / 4))
