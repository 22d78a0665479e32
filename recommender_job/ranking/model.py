"""The ranking model: who rates what how, as a TensorFlow Recommenders model.

    rating = output bias + user bias + experience bias + dot(user, experience) + dense(concat(user, experience))

Each term is a switch in `ModelConfig`. Ids arrive as indexes: `UNSEEN` (0) stands for an id that was not in
training, known ids count from 1 (see `ids.py`). Imports TensorFlow: import this module inside functions only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender_job.ranking.ids import UNSEEN
from recommender_job.ranking.tensorflow import keras, tf, tfrs
from recommender_job.ranking.trained import TrainedModel
from recommender_job.settings import ModelConfig

#: Rows of a table that are drawn at once.
ROWS = 65_536


class RankingModel(tfrs.Model):  # type: ignore[misc]  # the library ships no types
    """Predicts ratings of (user, experience) index pairs. Its weights are zero until `start` or `assign`.

    Args:
        users: Number of known users; the table has one more row, for unseen ones.
        experiences: Number of known experiences, likewise.
        settings: Which terms there are, their sizes and their regularisation.
    """

    def __init__(self, users: int, experiences: int, settings: ModelConfig) -> None:
        super().__init__()
        self.settings = settings
        # Variables, so that a model of the same shape can be trained with other penalties without a new graph.
        self.penalties = {
            name: tf.Variable(0.0, trainable=False, name=f"l2_{name}") for name in ("embedding", "bias", "dense")
        }
        width = settings.embedding_dimension
        self.user_embedding = keras.layers.Embedding(users + 1, width, "zeros", name="user_embedding")
        self.experience_embedding = keras.layers.Embedding(experiences + 1, width, "zeros", name="experience_embedding")
        if settings.bias_terms:
            self.user_bias = keras.layers.Embedding(users + 1, 1, "zeros", name="user_bias")
            self.experience_bias = keras.layers.Embedding(experiences + 1, 1, "zeros", name="experience_bias")
        self.dense = [
            *(keras.layers.Dense(units, "relu", name=f"hidden_{i}") for i, units in enumerate(settings.hidden_layers)),
            keras.layers.Dense(1, use_bias=False, name="output"),
        ]
        self.output_bias = tf.Variable([0.0], name="output_bias")
        # Ratings come as one vector, of which the loss is already the mean; several devices want to be told that
        # nothing is left to average.
        self.task = tfrs.tasks.Ranking(loss=keras.losses.MeanSquaredError(keras.losses.Reduction.SUM))
        self({"user": tf.zeros([1], tf.int32), "experience": tf.zeros([1], tf.int32)})  # creates the variables
        self._set_penalties(settings)

    def call(self, features: dict[str, Any], training: bool = False) -> Any:
        """Predicts one rating for each pair.

        Args:
            features: `user` and `experience`, int32 or int64 indexes of shape [n].
            training: Whether dropout and the like are on; unused, Keras passes it.

        Returns:
            float32 of shape [n], not clipped to the scale.
        """
        return self._predict(self._look_up(features))

    def compute_loss(self, inputs: dict[str, Any], training: bool = False) -> Any:
        """Mean squared error of a batch, plus the L2 penalties of the rows it touches and of the dense layers.

        Args:
            inputs: `user`, `experience` as in `call`, and `rating`, float32 of shape [n].
            training: Whether this is a training step.

        Returns:
            A float32 scalar.
        """
        rows = self._look_up(inputs)
        error = self.task(labels=inputs["rating"], predictions=self._predict(rows), compute_metrics=False)
        # The penalty is per rating: a user with many ratings is pulled to zero as often as its errors pull away.
        for name, vectors in rows.items():
            penalty = self.penalties["bias" if name.endswith("bias") else "embedding"]
            error += penalty * tf.reduce_mean(tf.reduce_sum(tf.square(vectors), axis=1))
        if self.settings.dense:
            error += self.penalties["dense"] * tf.add_n([tf.reduce_sum(tf.square(d.kernel)) for d in self.dense])
        return error

    def named_variables(self) -> dict[str, Any]:
        """Every trained variable under the name it is saved by."""
        found = {"user_embedding": self.user_embedding.embeddings}
        found |= {"experience_embedding": self.experience_embedding.embeddings}
        if self.settings.bias_terms:
            found |= {"user_bias": self.user_bias.embeddings, "experience_bias": self.experience_bias.embeddings}
        if self.settings.dense:
            found |= {f"{layer.name}_kernel": layer.kernel for layer in self.dense}
            found |= {f"{layer.name}_bias": layer.bias for layer in self.dense if layer.use_bias}
        return found | {"output_bias": self.output_bias}

    def start(self, settings: ModelConfig, mean_rating: float, seed: int) -> None:
        """Sets the weights to where training starts, and the penalties to those of `settings`.

        Args:
            settings: Of the same shape as the model's own.
            mean_rating: Mean rating of the training pairs, where the output bias starts.
            seed: Seed of the vectors and of the dense layers' weights.
        """
        random = np.random.default_rng(seed)
        for name, variable in self.named_variables().items():
            shape = variable.shape.as_list()
            if name.endswith("embedding"):
                bound = settings.embedding_init
            elif name.endswith("kernel"):
                bound = np.sqrt(6 / sum(shape))  # Glorot and Bengio's uniform start, which Keras defaults to
            else:
                bound = 0.0
            variable.assign(_uniform(random, bound, shape))
        if settings.output_bias_at_mean:
            self.output_bias.assign([mean_rating])
        self._set_penalties(settings)

    def assign_biases(self, user: NDArray[np.float32], experience: NDArray[np.float32]) -> None:
        """Sets the bias tables, each of shape [rows, 1]."""
        self.user_bias.embeddings.assign(user)
        self.experience_bias.embeddings.assign(experience)

    def assign(self, weights: dict[str, NDArray[Any]]) -> None:
        """Sets the weights to saved ones, by their names."""
        for name, variable in self.named_variables().items():
            variable.assign(weights[name])

    def _set_penalties(self, settings: ModelConfig) -> None:
        for name, penalty in self.penalties.items():
            penalty.assign(getattr(settings, f"l2_{name}"))

    def _look_up(self, features: dict[str, Any]) -> dict[str, Any]:
        users, experiences = features["user"], features["experience"]
        rows = {"user": self.user_embedding(users), "experience": self.experience_embedding(experiences)}
        if self.settings.bias_terms:
            rows["user_bias"] = self.user_bias(users)
            rows["experience_bias"] = self.experience_bias(experiences)
        if self.settings.unseen == "zero":
            for name, vectors in rows.items():
                indexes = users if name.startswith("user") else experiences
                rows[name] = vectors * tf.cast(indexes != UNSEEN, tf.float32)[:, tf.newaxis]
        return rows

    def _predict(self, rows: dict[str, Any]) -> Any:
        rating = tf.fill([tf.shape(rows["user"])[0], 1], self.output_bias[0])
        if self.settings.dense:
            hidden = tf.concat([rows["user"], rows["experience"]], axis=1)
            for layer in self.dense:
                hidden = layer(hidden)
            rating += hidden
        if self.settings.bias_terms:
            rating += rows["user_bias"] + rows["experience_bias"]
        if self.settings.dot_product:
            rating += tf.reduce_sum(rows["user"] * rows["experience"], axis=1, keepdims=True)
        return tf.squeeze(rating, axis=1)


def _uniform(random: np.random.Generator, bound: float, shape: list[int]) -> NDArray[np.float32]:
    """Drawn in blocks of rows: NumPy draws in double precision, which would be twice a large table's own size."""
    values = np.empty(shape, np.float32)
    for start in range(0, shape[0], ROWS):
        values[start : start + ROWS] = random.uniform(-bound, bound, values[start : start + ROWS].shape)
    return values


def rebuild(trained: TrainedModel) -> RankingModel:
    """The Keras model of saved weights."""
    model = RankingModel(len(trained.users), len(trained.experiences), trained.settings)
    model.assign(trained.weights)
    return model
