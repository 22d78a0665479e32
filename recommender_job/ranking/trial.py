"""One candidate on the validation parts: how it does after more and more epochs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from recommender_job.arrays import Values
from recommender_job.errors import TrainingDiverged
from recommender_job.ranking.folds import Fold
from recommender_job.ranking.trainer import Trainers
from recommender_job.settings import ModelConfig
from recommender_job.tables import RATING

#: Parts of the epochs after which the validation pairs are predicted.
CHECKPOINTS = (1 / 8, 1 / 4, 1 / 2, 3 / 4, 1)
#: RMSE of settings that are as good as each other differs by about this share by chance, over the root of the number of
#: validation pairs: 1 % on 1,300 pairs, 0.3 % on 16,000.
CHANCE = 0.36
#: A training whose RMSE is so much above its lowest, and more than chance explains, is given up.
LOST = 0.02


class Trial:
    """A candidate's trainings.

    Args:
        model: The candidate.
        seed: Seed of its trainings.
        scale: Predictions are clipped to it before they are compared.
        clock: Seconds.
    """

    def __init__(self, model: ModelConfig, seed: int, scale: tuple[float, float], clock: Callable[[], float]) -> None:
        self.model, self.seed, self._scale, self._clock = model, seed, scale, clock
        self.diverged = False
        self._curve: dict[int, Values] = {}
        self._actual: Values = np.empty(0)
        self._seconds = 0.0

    def run(self, folds: list[Fold], trainers: Trainers) -> None:
        """Trains on each fold, and keeps the predictions of all validation pairs at each checkpoint."""
        began = self._clock()
        try:
            curves = [self._train(fold, trainers) for fold in folds]
        except TrainingDiverged:
            self.diverged = True
        else:
            reached = [epochs for epochs in curves[0] if all(epochs in curve for curve in curves)]
            self._curve = {epochs: np.concatenate([curve[epochs] for curve in curves]) for epochs in reached}
            self._actual = np.concatenate([fold.validation[RATING].to_numpy(np.float64) for fold in folds])
        self._seconds = self._clock() - began

    @property
    def epochs(self) -> int:
        """The number of epochs that served: all that were reached, unless fewer did clearly better."""
        scores = {epochs: rmse_of(values, self._actual, self._scale) for epochs, values in self._curve.items()}
        best, most = min(scores, key=lambda epochs: scores[epochs]), max(scores)
        return best if clearly_better(scores[best], scores[most], len(self._actual)) else most

    @property
    def predictions(self) -> Values:
        """Of all validation pairs after `epochs`, not clipped."""
        return self._curve[self.epochs]

    @property
    def rmse(self) -> float:
        """Over all validation pairs, after `epochs`."""
        return rmse_of(self.predictions, self._actual, self._scale)

    @property
    def settings(self) -> ModelConfig:
        """The candidate with the epochs that served."""
        return self.model.model_copy(update={"epochs": self.epochs})

    def report(self) -> dict[str, Any]:
        """What to keep of it in the run's metrics."""
        seconds = {"seconds": round(self._seconds, 3)}
        return {"diverged": True, **seconds} if self.diverged else {"rmse": self.rmse, "epochs": self.epochs, **seconds}

    def _train(self, fold: Fold, trainers: Trainers) -> dict[int, Values]:
        trainer = trainers.of(self.model)
        actual = fold.validation[RATING].to_numpy(np.float64)
        checkpoints = {max(1, round(self.model.epochs * part)) for part in CHECKPOINTS}
        curve: dict[int, Values] = {}
        errors: list[float] = []

        def after_epoch(epoch: int) -> bool:
            if epoch in checkpoints:
                curve[epoch] = trainer.predict(fold.validation).astype(np.float64)
                errors.append(rmse_of(curve[epoch], actual, self._scale))
            lost = max(LOST, 2 * CHANCE / math.sqrt(len(actual)))
            return not errors or errors[-1] < min(errors) * (1 + lost)

        trainer.fit(fold.training, self.model, seed=self.seed, after_epoch=after_epoch)
        return curve


def clearly_better(rmse: float, other: float, pairs: int) -> bool:
    """Whether an RMSE on so many validation pairs is lower than another by more than chance explains."""
    return rmse < other * (1 - CHANCE / math.sqrt(pairs))


def rmse_of(predicted: Values, actual: Values, scale: tuple[float, float]) -> float:
    """Root of the mean squared error of predictions that are clipped to the scale first."""
    return float(np.sqrt(np.mean((np.clip(predicted, *scale) - actual) ** 2)))
