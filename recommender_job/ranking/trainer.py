"""Trains ranking models, many of one shape by one graph (docs/decisions/0007)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.errors import TrainingDiverged
from recommender_job.ranking.bias import BiasModel
from recommender_job.ranking.ids import UNSEEN, IdMap
from recommender_job.ranking.trained import TrainedModel
from recommender_job.settings import ModelConfig
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


class Trainer:
    """Trains models of one shape, one after the other, with a graph that is built once.

    Building the graph takes longer than training on a few thousand ratings, and choosing settings takes many trainings.

    Args:
        users: The users that the tables have rows for; those without ratings keep the row they start with.
        experiences: Likewise.
        settings: The shape of the models.
    """

    def __init__(self, users: IdMap, experiences: IdMap, settings: ModelConfig) -> None:
        from recommender_job.ranking.model import RankingModel
        from recommender_job.ranking.tensorflow import keras, tf

        self.users, self.experiences, self.settings = users, experiences, settings
        self._model = model = RankingModel(len(users), len(experiences), settings)
        optimizers = {"adam": keras.optimizers.Adam, "adagrad": keras.optimizers.Adagrad}
        self._optimizer = optimizer = optimizers[settings.optimizer](settings.learning_rate)
        variables = model.named_variables()
        optimizer.build(list(variables.values()))
        self._bias_rate = bias_rate = tf.Variable(1.0, trainable=False)
        self._fresh = [value.numpy() for value in optimizer.variables]

        def step(pairs: dict[str, Any]) -> Any:
            with tf.GradientTape() as tape:
                loss = model.compute_loss(pairs, training=True)
            gradients = tape.gradient(loss, variables)
            for name in ("user_bias", "experience_bias"):
                if name in gradients:  # 0 leaves closed-form biases as they are, in the same graph
                    rows = gradients[name]
                    gradients[name] = tf.IndexedSlices(rows.values * bias_rate, rows.indices, rows.dense_shape)
            optimizer.apply_gradients((gradients[name], variable) for name, variable in variables.items())
            return loss

        # One call for each epoch: a call for each batch would cost more than a small batch's own work.
        # Lengths are left open, so that ratings of any number run through the graph that is built once.
        ids, values, one = (tf.TensorSpec(*spec) for spec in (([None], tf.int32), ([None], tf.float32), ([], tf.int32)))
        rated = {"user": ids, "experience": ids, "rating": values}

        @tf.function(input_signature=[rated, ids, one])  # type: ignore[untyped-decorator]  # no types
        def epoch(pairs: dict[str, Any], order: Any, batch: Any) -> Any:
            rows = tf.shape(order)[0]
            total = 0.0
            for start in tf.range(0, rows, batch):
                chosen = order[start : tf.minimum(start + batch, rows)]
                loss = step({name: tf.gather(values, chosen) for name, values in pairs.items()})
                total += loss * tf.cast(tf.shape(chosen)[0], tf.float32)
            return total / tf.cast(rows, tf.float32)

        self._epoch = epoch
        self._predict = tf.function(model, input_signature=[{"user": ids, "experience": ids}])
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
        self._bias_rate.assign(0.0 if closed_form else 1.0)
        if closed_form:
            self._model.assign_biases(*self._closed_form(ratings, settings))
        for variable, value in zip(self._optimizer.variables, self._fresh, strict=True):
            variable.assign(value)
        self._optimizer.learning_rate.assign(settings.learning_rate)
        rows = self._rows(ratings)
        for side, seen in self._seen.items():
            seen[:] = False
            seen[rows[side]] = True
        pairs = {"user": tf.constant(rows[USER]), "experience": tf.constant(rows[EXPERIENCE])}
        pairs["rating"] = tf.constant(ratings[RATING].to_numpy(np.float32))
        batch, random = tf.constant(settings.batch_size), np.random.default_rng(seed)
        for done in range(1, settings.epochs + 1):
            order = random.permutation(len(ratings)).astype(np.int32)
            loss = float(self._epoch(pairs, tf.constant(order), batch))
            if not math.isfinite(loss) or not after_epoch(done):
                break
        if not math.isfinite(loss) or not all(np.isfinite(values).all() for values in self.weights().values()):
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
        predicted: NDArray[np.float32] = self._predict({"user": rows[USER], "experience": rows[EXPERIENCE]}).numpy()
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
            weights |= {name: weights[name][kept] for name in (f"{side}_embedding", f"{side}_bias") if name in weights}
        users, experiences = self.users.ids[self._seen[USER][1:]], self.experiences.ids[self._seen[EXPERIENCE][1:]]
        return TrainedModel(settings, IdMap(users), IdMap(experiences), weights)

    def _closed_form(self, ratings: pd.DataFrame, settings: ModelConfig) -> list[NDArray[np.float32]]:
        """The bias model's deviations, in the rows of this trainer's tables."""
        shrinkage = {name: getattr(settings, name) for name in ("user_shrinkage", "experience_shrinkage")}
        found = BiasModel.fit(ratings, **shrinkage)
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
    """The trainers of some ids, one for each shape of model that is asked for."""

    def __init__(self, ratings: pd.DataFrame) -> None:
        self._users = IdMap.of(ratings[USER].to_numpy())
        self._experiences = IdMap.of(ratings[EXPERIENCE].to_numpy())
        self._trainers: dict[str, Trainer] = {}

    def of(self, settings: ModelConfig) -> Trainer:
        """The trainer of the settings' shape."""
        shape = settings.model_dump_json(exclude=TUNABLE)
        if shape not in self._trainers:
            self._trainers[shape] = Trainer(self._users, self._experiences, settings)
        return self._trainers[shape]
