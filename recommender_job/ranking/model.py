"""The ranking model: who rates what how, as a TensorFlow Recommenders model.

    rating = output bias + user bias + experience bias + dot(user, experience) + dense(concat(user, experience))

Each term is a switch in `ModelConfig`. Ids arrive as indexes: `UNSEEN` (0) stands for an id that was not in
training, known ids count from 1 (see `ids.py`). Imports TensorFlow: import this module inside functions only.
"""

from __future__ import annotations

from typing import Any

from recommender_job.config import ModelConfig
from recommender_job.ranking.ids import UNSEEN, IdMap
from recommender_job.ranking.tensorflow import keras, tf, tfrs
from recommender_job.ranking.trained import TrainedModel


class RankingModel(tfrs.Model):  # type: ignore[misc]  # the library ships no types
    """Predicts ratings of (user, experience) index pairs.

    Args:
        users: Number of known users; the table has one more row, for unseen ones.
        experiences: Number of known experiences, likewise.
        mean_rating: Mean rating of the training pairs, where the output bias starts.
        settings: Which terms there are, their sizes and their regularisation.
    """

    def __init__(self, users: int, experiences: int, mean_rating: float, settings: ModelConfig) -> None:
        super().__init__()
        self.settings = settings
        self.user_embedding = self._embedding(users + 1)
        self.experience_embedding = self._embedding(experiences + 1)
        if settings.bias_terms:
            self.user_bias = keras.layers.Embedding(users + 1, 1, "zeros")
            self.experience_bias = keras.layers.Embedding(experiences + 1, 1, "zeros")
        self.hidden = [
            keras.layers.Dense(width, activation="relu", kernel_regularizer=keras.regularizers.L2(settings.l2_dense))
            for width in settings.hidden_layers
        ]
        bias = keras.initializers.Constant(mean_rating if settings.output_bias_at_mean else 0.0)
        self.output_layer = keras.layers.Dense(
            1, bias_initializer=bias, kernel_regularizer=keras.regularizers.L2(settings.l2_dense)
        )
        self.task = tfrs.tasks.Ranking(loss=keras.losses.MeanSquaredError())

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
        """Mean squared error of a batch, plus the L2 penalty of the rows the batch touches.

        Args:
            inputs: `user`, `experience` as in `call`, and `rating`, float32 of shape [n].
            training: Whether this is a training step.

        Returns:
            A float32 scalar.
        """
        rows = self._look_up(inputs)
        error = self.task(labels=inputs["rating"], predictions=self._predict(rows), compute_metrics=False)
        # The penalty is per rating: a user with many ratings is pulled to zero as often as its errors pull away.
        penalties = {
            "user": self.settings.l2_embedding,
            "experience": self.settings.l2_embedding,
            "user_bias": self.settings.l2_bias,
            "experience_bias": self.settings.l2_bias,
        }
        for name, vectors in rows.items():
            if penalties[name]:
                error += penalties[name] * tf.reduce_mean(tf.reduce_sum(tf.square(vectors), axis=1))
        return error

    def named_variables(self) -> dict[str, Any]:
        """Every variable under the name it is saved by; the model must have been called once."""
        tables = {"user_embedding": self.user_embedding, "experience_embedding": self.experience_embedding}
        if self.settings.bias_terms:
            tables |= {"user_bias": self.user_bias, "experience_bias": self.experience_bias}
        found = {name: layer.embeddings for name, layer in tables.items()}
        for name, layer in [
            *((f"hidden_{i}", layer) for i, layer in enumerate(self.hidden)),
            ("output", self.output_layer),
        ]:
            found |= {f"{name}_kernel": layer.kernel, f"{name}_bias": layer.bias}
        return found

    def _embedding(self, rows: int) -> Any:
        # One initializer for each table: a shared one would start both tables with the same numbers.
        start = keras.initializers.RandomUniform(-self.settings.embedding_init, self.settings.embedding_init)
        return keras.layers.Embedding(rows, self.settings.embedding_dimension, start)

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
        hidden = tf.concat([rows["user"], rows["experience"]], axis=1)
        for layer in self.hidden:
            hidden = layer(hidden)
        rating = self.output_layer(hidden)
        if self.settings.bias_terms:
            rating += rows["user_bias"] + rows["experience_bias"]
        if self.settings.dot_product:
            rating += tf.reduce_sum(rows["user"] * rows["experience"], axis=1, keepdims=True)
        return tf.squeeze(rating, axis=1)


def rebuild(trained: TrainedModel) -> RankingModel:
    """The Keras model of saved weights."""
    model = RankingModel(len(trained.users), len(trained.experiences), 0.0, trained.settings)
    model({"user": tf.zeros([1], tf.int32), "experience": tf.zeros([1], tf.int32)})  # creates the variables
    for name, variable in model.named_variables().items():
        variable.assign(trained.weights[name])
    return model


def export_saved_model(trained: TrainedModel, path: str, scale: tuple[float, float]) -> None:
    """Writes a SavedModel that TensorFlow Serving loads: ids in, predicted ratings within the scale out.

    Args:
        trained: The model.
        path: A local folder.
        scale: Lowest and highest rating.
    """
    served = tf.Module()
    served.model = rebuild(trained)
    served.users, served.experiences = _table(trained.users), _table(trained.experiences)
    ids = tf.TensorSpec([None], tf.int64)

    @tf.function(input_signature=[ids, ids])  # type: ignore[untyped-decorator]  # no types
    def serve(user_id: Any, experience_id: Any) -> dict[str, Any]:
        rating = served.model({"user": served.users[user_id], "experience": served.experiences[experience_id]})
        return {"predicted_rating": tf.clip_by_value(rating, *scale)}

    served.serve = serve
    tf.saved_model.save(served, path, signatures={"serving_default": serve})


def _table(ids: IdMap) -> Any:
    keys = tf.constant(ids.ids, tf.int64)
    rows = tf.range(1, len(ids) + 1, dtype=tf.int32)
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, rows), default_value=UNSEEN)
