"""Scores all pairs in blocks of users; the whole matrix never stands in memory.

The first dense layer of a concatenation is the sum of a user part and an experience part. The experience part is
computed once for all users, the user part once for each user, so that a pair costs only the sum and the layers above.
Imports TensorFlow: import this module inside functions only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender_job.errors import TrainingDiverged
from recommender_job.ranking.ids import UNSEEN
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.relevance import Features, RelevanceModel
from recommender_job.ranking.tensorflow import tf
from recommender_job.ranking.trained import TrainedModel
from recommender_job.scoring.taken import Taken

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Block:
    """Lists of some users, best first.

    Args:
        start: Place of the first user.
        places: Places of the experiences, shape [users, k].
        scores: Their predicted ratings, not clipped; -inf where a user has fewer than k experiences left.
        every: Predicted ratings of all experiences, shape [users, experiences].
    """

    start: int
    places: NDArray[np.int64]
    scores: Floats
    every: Floats


class Scorer:
    """Predicted ratings of blocks of users for a fixed set of experiences, and the best of them.

    Args:
        predictor: Predicts the ratings.
        experiences: Experience ids, ascending, shape [m]. Equal scores rank in this order.
        relevance: Picks the candidates; None: every experience is one.
        n: Length of the lists.
        candidates: How many relevance picks; n or more.
        by_relevance: Whether relevance orders the list too, rather than the predicted rating.
    """

    def __init__(
        self,
        predictor: Predictor,
        experiences: NDArray[np.int64],
        *,
        n: int,
        relevance: RelevanceModel | None = None,
        candidates: int = 0,
        by_relevance: bool = False,
    ) -> None:
        self._networks = [_Network(model, weight, experiences) for weight, model in predictor.networks]
        self._bias = predictor.bias
        self._experience_bias = tf.constant(np.zeros(len(experiences), np.float32))
        if predictor.bias:
            weight, bias = predictor.bias
            rows = bias.experience[bias.experiences.encode(experiences)]
            self._experience_bias = tf.constant((weight * rows).astype(np.float32))
        self._k = min(n, len(experiences))
        self._candidates = min(max(candidates, n), len(experiences))
        self._by_relevance = by_relevance
        self._relevance = None
        if relevance is not None:
            self._relevance = tuple(map(tf.constant, relevance.columns(experiences)))

    def top(
        self, users: NDArray[np.int64], taken: Taken, block: int, features: Features | None = None
    ) -> Iterator[Block]:
        """The best experiences of each user that the user does not have yet.

        Args:
            users: User ids, shape [u].
            taken: Pairs to leave out.
            block: Users scored at once.
            features: What relevance knows of the users; needed where relevance picks.

        Raises:
            TrainingDiverged: A score is not a number.
        """
        for start in range(0, len(users), block):
            part = users[start : start + block]
            known = np.zeros((len(part), 0), np.float32)
            if features is not None:
                known = features.block(start, start + len(part))
            places, scores, every, sound = self._best(
                [network.user_rows(part) for network in self._networks],
                tf.constant(self._user_bias(part)),
                tf.constant(known),
                tf.constant(taken.within(start, start + len(part))),
            )
            if not bool(sound):
                raise TrainingDiverged(
                    f"A predicted rating of users {part[0]} to {part[-1]} is not a finite number.",
                    action="Clear `refit` and what follows; if it persists, lower `model.learning_rate`.",
                )
            yield Block(start, places.numpy().astype(np.int64), scores.numpy(), every.numpy())

    def _user_bias(self, users: NDArray[np.int64]) -> Floats:
        if self._bias is None:
            return np.zeros(len(users), np.float32)
        weight, bias = self._bias
        return (weight * (bias.mean + bias.user[bias.users.encode(users)])).astype(np.float32)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]  # no types
    def _best(self, rows: list[Any], user_bias: Any, features: Any, taken: Any) -> tuple[Any, Any, Any, Any]:
        every = user_bias[:, tf.newaxis] + self._experience_bias
        for network, (vectors, bias) in zip(self._networks, rows, strict=True):
            every += network.weight * network.scores(vectors, bias)
        nothing = tf.fill([tf.shape(taken)[0]], -np.inf)
        left = tf.tensor_scatter_nd_update(every, taken, nothing)
        # Of equal scores, top_k takes the lower place first, which is the lower experience id.
        if self._relevance is None:
            scores, places = tf.math.top_k(left, self._k)
        else:
            matrix, popularity = self._relevance
            relevance = tf.zeros_like(every) + popularity
            if matrix.shape[0]:  # a product over nothing ends the process in some builds of TensorFlow
                relevance += features @ matrix
            relevance = tf.tensor_scatter_nd_update(relevance, taken, nothing)
            picked = tf.math.top_k(relevance, self._candidates).indices
            if self._by_relevance:
                places = picked[:, : self._k]
                scores = tf.gather(left, places, batch_dims=1)
            else:
                picked = tf.sort(picked, axis=1)
                scores, order = tf.math.top_k(tf.gather(left, picked, batch_dims=1), self._k)
                places = tf.gather(picked, order, batch_dims=1)
        return places, scores, every, tf.reduce_all(tf.math.is_finite(every))


class _Network:
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
