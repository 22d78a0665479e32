"""The networks of a predictor, prepared to score blocks of users against a fixed set of experiences.

The first dense layer of a concatenation is the sum of a user part and an experience part. The experience part is
computed once for all users, the user part once for each user, so that a pair costs only the sum and the layers above.
Imports TensorFlow: import this module inside functions only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender_job.ranking.ids import UNSEEN
from recommender_job.ranking.tensorflow import tf
from recommender_job.ranking.trained import TrainedModel

Floats = NDArray[np.float32]


class Network:
    """One ranking model, prepared for a fixed set of experiences."""

    def __init__(self, model: TrainedModel, weight: float, experiences: NDArray[np.int64]) -> None:
        self.weight = np.float32(weight)
        self._model = model
        vectors, bias = self._rows("experience", model.experiences.encode(experiences))
        self._experience_vectors = tf.constant(vectors)
        self._experience_bias = tf.constant(bias + model.weights["output_bias"])
        self._layers = _layers(model)
        if self._layers:
            kernel, first_bias = self._layers[0]
            width = model.settings.embedding_dimension
            self._user_kernel = tf.constant(kernel[:width])
            self._experience_part = tf.constant(vectors @ kernel[width:] + first_bias)

    def user_rows(self, users: NDArray[np.int64]) -> tuple[Any, Any]:
        """Vectors [b, d] and biases [b] of users."""
        vectors, bias = self._rows("user", self._model.users.encode(users))
        return tf.constant(vectors), tf.constant(bias)

    def scores(self, vectors: Any, bias: Any) -> Any:
        """Predicted ratings of users' rows, shape [b, m]."""
        scores = bias[:, tf.newaxis] + self._experience_bias
        if self._model.settings.dot_product:
            scores += tf.linalg.matmul(vectors, self._experience_vectors, transpose_b=True)
        if self._layers:
            hidden = (vectors @ self._user_kernel)[:, tf.newaxis, :] + self._experience_part[tf.newaxis, :, :]
            hidden = tf.reshape(hidden, [-1, self._experience_part.shape[1]])
            for kernel, layer_bias in self._layers[1:]:
                hidden = tf.nn.bias_add(tf.nn.relu(hidden) @ kernel, layer_bias)
            scores += tf.reshape(hidden, tf.shape(scores))
        return scores

    def _rows(self, side: str, indexes: NDArray[np.int32]) -> tuple[Floats, Floats]:
        weights = self._model.weights
        vectors = weights[f"{side}_embedding"][indexes]
        bias = weights[f"{side}_bias"][indexes, 0] if f"{side}_bias" in weights else np.zeros(len(indexes), np.float32)
        if self._model.settings.unseen == "zero":
            known = (indexes != UNSEEN).astype(np.float32)
            vectors, bias = vectors * known[:, None], bias * known
        return vectors, bias


def _layers(model: TrainedModel) -> list[tuple[Floats, Floats]]:
    """Kernel and bias of each dense layer; the output layer's bias stands apart, as `output_bias`."""
    if not model.settings.dense:
        return []
    weights = model.weights
    names = [f"hidden_{i}" for i in range(len(model.settings.hidden_layers))]
    layers = [(weights[f"{name}_kernel"], weights[f"{name}_bias"]) for name in names]
    return [*layers, (weights["output_kernel"], np.zeros(1, np.float32))]
