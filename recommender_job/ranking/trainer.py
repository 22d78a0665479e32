"""Trains ranking models, many of one shape by one graph (docs/decisions/0007)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.errors import TrainingDiverged
from recommender_job.ranking.bias import BiasModel
from recommender_job.ranking.encoded import Encoded, Spill
from recommender_job.ranking.ids import UNSEEN, IdMap
from recommender_job.ranking.shuffled import Shuffled
from recommender_job.ranking.trained import TrainedModel
from recommender_job.settings import Devices, ModelConfig
from recommender_job.tables import EXPERIENCE, RATING, USER

#: What may differ between models that one trainer trains; everything else is the shape of the graph.
TUNABLE = {
    "batch_size",
    "biases",
    "embedding_init",
    "epochs",
    "experience_shrinkage",
    "l2_bias",
    "l2_dense",
    "l2_embedding",
    "learning_rate",
    "output_bias_at_mean",
    "patience",
    "seeds",
    "user_shrinkage",
    "validation_share",
}
#: Pairs that are predicted at once.
SLICE = 65_536


class Trainer:
    """Trains models of one shape, one after the other, with a graph that is built once.

    Building the graph takes longer than training on a few thousand ratings, and choosing settings takes many trainings.

    Args:
        users: The users that the tables have rows for; those without ratings keep the row they start with.
        experiences: Likewise.
        settings: The shape of the models.
        spill: Where ratings go that do not fit into memory; None: all fit.
        devices: What trains.
    """

    def __init__(
        self,
        users: IdMap,
        experiences: IdMap,
        settings: ModelConfig,
        spill: Spill | None = None,
        devices: Devices = "auto",
    ) -> None:
        from recommender_job.ranking.graph import Graph

        self.users, self.experiences, self.settings, self._spill = users, experiences, settings, spill
        self._graph = Graph(len(users), len(experiences), settings, devices)
        self._model = self._graph.model
        self._seen = {USER: np.zeros(len(users) + 1, bool), EXPERIENCE: np.zeros(len(experiences) + 1, bool)}

    def fit(
        self,
        ratings: pd.DataFrame,
        settings: ModelConfig,
        *,
        seed: int,
        after_epoch: Callable[[int], bool] = lambda epoch: True,
    ) -> tuple[int, float]:
        """Trains from the start. Same ratings, settings and seed: same weights.

        Args:
            ratings: `user_id`, `experience_id`, `rating`.
            settings: Of the trainer's shape; differs in `TUNABLE` only.
            seed: Seed of the weights and of the order of the ratings.
            after_epoch: Called with the number of each epoch; training ends when it returns False.

        Returns:
            Epochs trained, and the last one's mean loss: squared error with penalties.

        Raises:
            TrainingDiverged: The loss or a weight is not finite.
        """
        from recommender_job.ranking.tensorflow import tf

        shape = settings.model_dump(exclude=TUNABLE)
        if shape != self.settings.model_dump(exclude=TUNABLE):
            raise ValueError(f"a trainer of {self.settings} cannot train {settings}")
        self._model.start(settings, float(ratings[RATING].mean()), seed)
        closed_form = settings.bias_terms and settings.biases == "closed_form"
        if closed_form:
            self._model.assign_biases(*self._closed_form(ratings, settings))
        self._graph.restart(settings.learning_rate, train_biases=not closed_form)
        shuffled = Shuffled(ratings, self.users, self.experiences, self._spill)
        for side, rows in ((USER, shuffled.pairs.user), (EXPERIENCE, shuffled.pairs.experience)):
            self._seen[side][:] = False
            for part in shuffled.pairs.parts():
                self._seen[side][rows[part]] = True
        batch, random = tf.constant(settings.batch_size), np.random.default_rng(seed)
        for done in range(1, settings.epochs + 1):
            windows = [(float(self._graph.epoch(*window, batch)), len(window[1])) for window in shuffled.epoch(random)]
            loss = sum(loss * count for loss, count in windows) / len(ratings)
            if not math.isfinite(loss) or not after_epoch(done):
                break
        if not math.isfinite(loss) or not self._graph.is_finite():
            raise TrainingDiverged(
                f"After epoch {done} the loss is {loss} or a weight is not finite.",
                action="Lower `model.learning_rate`; if it persists, look for ratings of absurd size.",
            )
        return done, loss

    def predict(self, pairs: pd.DataFrame) -> NDArray[np.float32]:
        """Predicted ratings of pairs with the weights as they are now, not clipped; shape [n].

        Ids that the ratings of the last `fit` did not have are unseen ones.
        """
        rows = {side: np.where(self._seen[side][places], places, UNSEEN) for side, places in self._rows(pairs).items()}
        predicted = np.empty(len(pairs), np.float32)
        # In slices, so that the hidden layers of many pairs never stand in memory at once.
        for start in range(0, len(pairs), SLICE):
            asked = {"user": rows[USER][start : start + SLICE], "experience": rows[EXPERIENCE][start : start + SLICE]}
            predicted[start : start + SLICE] = self._graph.predict(asked).numpy()
        return predicted

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """The weights as they are now, by name."""
        return {name: variable.numpy() for name, variable in self._model.named_variables().items()}

    def assign(self, weights: dict[str, NDArray[np.float32]]) -> None:
        """Goes back to earlier weights."""
        self._model.assign(weights)

    def trained(self, settings: ModelConfig) -> TrainedModel:
        """The model as it is now, with the ids that the ratings of the last `fit` had."""
        weights = self.weights()
        for side, seen in (("user", self._seen[USER]), ("experience", self._seen[EXPERIENCE])):
            kept = np.flatnonzero(seen | (np.arange(len(seen)) == UNSEEN))
            if len(kept) == len(seen):
                continue  # a large table is not copied once more
            weights |= {name: weights[name][kept] for name in (f"{side}_embedding", f"{side}_bias") if name in weights}
        users, experiences = self.users.ids[self._seen[USER][1:]], self.experiences.ids[self._seen[EXPERIENCE][1:]]
        return TrainedModel(settings, IdMap(users), IdMap(experiences), weights)

    def _closed_form(self, ratings: pd.DataFrame, settings: ModelConfig) -> list[NDArray[np.float32]]:
        """The bias model's deviations, in the rows of this trainer's tables."""
        shrinkage = {name: getattr(settings, name) for name in ("user_shrinkage", "experience_shrinkage")}
        found = BiasModel.fit(Encoded.of(ratings, self._spill), **shrinkage)
        tables = []
        for ids, own, values in (
            (self.users, found.users, found.user),
            (self.experiences, found.experiences, found.experience),
        ):
            table = np.zeros((len(ids) + 1, 1), np.float32)
            table[ids.encode(own.ids), 0] = values[1:]
            tables.append(table)
        return tables

    def _rows(self, pairs: pd.DataFrame) -> dict[str, NDArray[np.int32]]:
        maps = {USER: self.users, EXPERIENCE: self.experiences}
        return {side: ids.encode(pairs[side].to_numpy()) for side, ids in maps.items()}


class Trainers:
    """The trainers of some ids, one for each shape of model that is asked for.

    Args:
        ratings: `user_id`, `experience_id`.
        spill: Where ratings go that do not fit into memory; None: all fit.
        devices: What trains.
    """

    def __init__(self, ratings: pd.DataFrame, spill: Spill | None = None, devices: Devices = "auto") -> None:
        self._users = IdMap.of(ratings[USER].to_numpy())
        self._experiences = IdMap.of(ratings[EXPERIENCE].to_numpy())
        self.spill, self._devices = spill, devices
        self._trainers: dict[str, Trainer] = {}

    def of_others(self, ratings: pd.DataFrame) -> Trainers:
        """Trainers for the ids of other ratings, by the same means."""
        return Trainers(ratings, self.spill, self._devices)

    def of(self, settings: ModelConfig) -> Trainer:
        """The trainer of the settings' shape."""
        shape = settings.model_dump_json(exclude=TUNABLE)
        if shape not in self._trainers:
            self._trainers[shape] = Trainer(self._users, self._experiences, settings, self.spill, self._devices)
        return self._trainers[shape]
