"""Scores all pairs in blocks of users; the whole matrix never stands in memory.

The first dense layer of a concatenation is the sum of a user part and an experience part. The experience part is
computed once for all users, the user part once for each user, so that a pair costs only the sum and the layers above.
Imports TensorFlow: import this module inside functions only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender_job.errors import TrainingDiverged
from recommender_job.ranking.ids import UNSEEN
from recommender_job.ranking.tensorflow import tf
from recommender_job.ranking.trained import TrainedModel
from recommender_job.scoring.taken import Taken


class Scorer:
    """Predicted ratings of blocks of users for a fixed set of experiences.

    Args:
        model: The trained model.
        experiences: Experience ids, ascending, shape [m]. Equal scores rank in this order.
    """

    def __init__(self, model: TrainedModel, experiences: NDArray[np.int64]) -> None:
        weights = model.weights
        self._model = model
        self._layers = _layers(weights)
        rows = self._rows("experience", model.experiences.encode(experiences))
        kernel, bias = self._layers[0]
        width = model.settings.embedding_dimension
        self._user_kernel = tf.constant(kernel[:width])
        self._experience_part = tf.constant(rows["vectors"] @ kernel[width:] + bias)
        self._experience_vectors = tf.constant(rows["vectors"])
        self._experience_bias = tf.constant(rows["bias"])

    def top(
        self, users: NDArray[np.int64], taken: Taken, n: int, block: int
    ) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.float32]]]:
        """The best experiences of each user that the user does not have yet.

        Args:
            users: User ids, shape [u].
            taken: Pairs to leave out.
            n: Length of the lists.
            block: Users scored at once.

        Yields:
            Place of the block's first user, places of the experiences [b, k] best first, and their scores [b, k],
            not clipped; -inf where a user has fewer than k experiences left. k is n, or all experiences if fewer.

        Raises:
            TrainingDiverged: A score is not a number.
        """
        k = min(n, len(self._experience_bias))
        for start in range(0, len(users), block):
            part = users[start : start + block]
            rows = self._rows("user", self._model.users.encode(part))
            places, scores, sound = self._best(
                tf.constant(rows["vectors"]),
                tf.constant(rows["bias"]),
                tf.constant(taken.within(start, start + len(part))),
                k,
            )
            if not bool(sound):
                raise TrainingDiverged(
                    f"A predicted rating of users {part[0]} to {part[-1]} is not a finite number.",
                    action="Clear `refit` and what follows; if it persists, lower `model.learning_rate`.",
                )
            yield start, places.numpy().astype(np.int64), scores.numpy()

    def _rows(self, side: str, indexes: NDArray[np.int32]) -> dict[str, NDArray[np.float32]]:
        weights = self._model.weights
        vectors = weights[f"{side}_embedding"][indexes]
        bias = weights[f"{side}_bias"][indexes, 0] if f"{side}_bias" in weights else np.zeros(len(indexes), np.float32)
        if self._model.settings.unseen == "zero":
            known = (indexes != UNSEEN).astype(np.float32)
            vectors, bias = vectors * known[:, None], bias * known
        return {"vectors": vectors, "bias": bias}

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]  # no types
    def _best(self, vectors: Any, bias: Any, taken: Any, k: int) -> tuple[Any, Any, Any]:
        users = tf.shape(vectors)[0]
        experiences = tf.shape(self._experience_part)[0]
        hidden = (vectors @ self._user_kernel)[:, tf.newaxis, :] + self._experience_part[tf.newaxis, :, :]
        hidden = tf.reshape(hidden, [-1, self._experience_part.shape[1]])
        for kernel, layer_bias in self._layers[1:]:
            hidden = tf.nn.bias_add(tf.nn.relu(hidden) @ kernel, layer_bias)
        scores = tf.reshape(hidden, [users, experiences]) + bias[:, tf.newaxis] + self._experience_bias
        if self._model.settings.dot_product:
            scores += tf.linalg.matmul(vectors, self._experience_vectors, transpose_b=True)
        sound = tf.reduce_all(tf.math.is_finite(scores))
        scores = tf.tensor_scatter_nd_update(scores, taken, tf.fill([tf.shape(taken)[0]], -np.inf))
        # Of equal scores, top_k takes the lower place first, which is the lower experience id.
        best, places = tf.math.top_k(scores, k)
        return places, best, sound


def _layers(weights: dict[str, NDArray[Any]]) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    names = [f"hidden_{i}" for i in range(len(weights)) if f"hidden_{i}_kernel" in weights]
    return [(weights[f"{name}_kernel"], weights[f"{name}_bias"]) for name in [*names, "output"]]
