"""The hidden layers of a ranking model, for one user's pairs at a time, in buffers that stay in the processor's cache.

The first dense layer of a concatenation is the sum of a user part and an experience part. The experience part is
computed once for a block of users, the user part once for each user. What is added to every pair of a user alike goes
through the layers by itself: relu(x + shift) = max(x, -shift) + shift, and a layer of that is a layer of the first plus
a layer of the second. So a pair costs one comparison for each unit, and the products above the first layer.

A pair's place in its tile depends on nothing but its experience: its rating has the same bits whatever else is scored.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recommender_job.ranking.trained import TrainedModel
from recommender_job.scoring.product import Floats

#: Values of all layers of a tile, at most: 768 KiB, what a core's second-level cache holds beside the weights.
CACHED = 196_608


class Network:
    """The dense layers of a model that has hidden ones, prepared for a fixed set of experiences.

    Args:
        model: The model.
        weight: What its output is multiplied by.
        vectors: Vectors of the experiences, shape [m, d].
    """

    def __init__(self, model: TrainedModel, weight: float, vectors: Floats) -> None:
        (kernel, self._bias), *self._above, (output, _) = model.layers
        self._vectors = vectors
        self._user_kernel = kernel[: vectors.shape[1]].copy()
        self._experience_kernel = kernel[vectors.shape[1] :].copy()
        self._output = (np.float32(weight) * output[:, 0]).copy()
        self._widths = [len(self._bias), *(len(bias) for _, bias in self._above)]
        self._tile = min(max(CACHED // (self._widths[0] + sum(self._widths)) // 16, 1) * 16, 4096)

    def add_every(self, users: Floats, scores: Floats) -> None:
        """Adds the ratings of every pair.

        Args:
            users: Vectors of the users, shape [b, d].
            scores: Shape [b, m].
        """
        shifts = [self._shifts(user) for user in users]
        buffers = self._buffers(len(self._vectors))
        shared = np.empty_like(buffers[0])
        for start in range(0, len(self._vectors), self._tile):
            vectors = self._vectors[start : start + self._tile]
            layers, base = [buffer[: len(vectors)] for buffer in buffers], shared[: len(vectors)]
            np.matmul(vectors, self._experience_kernel, out=base)
            for row, own in zip(scores, shifts, strict=True):
                row[start : start + self._tile] += self._through(base, layers, own)

    def add_some(self, user: Floats, places: NDArray[np.int64], scores: Floats) -> None:
        """Adds the ratings of one user's pairs; they may differ from those of `add_every` in the last bits.

        Args:
            user: Shape [d].
            places: Places of the experiences, shape [k].
            scores: Shape [k].
        """
        shifts, buffers = self._shifts(user), self._buffers(len(places))
        for start in range(0, len(places), self._tile):
            vectors = self._vectors[places[start : start + self._tile]]
            layers = [buffer[: len(vectors)] for buffer in buffers]
            np.matmul(vectors, self._experience_kernel, out=layers[0])
            scores[start : start + self._tile] += self._through(layers[0], layers, shifts)

    def _shifts(self, user: Floats) -> list[Floats]:
        """What all pairs of a user have in common before each relu, with the sign turned, and in the output."""
        shift = user @ self._user_kernel + self._bias
        shifts = [-shift]
        for kernel, bias in self._above:
            shift = shift @ kernel + bias
            shifts.append(-shift)
        return [*shifts, shift @ self._output]

    def _through(self, base: Floats, layers: list[Floats], shifts: list[Floats]) -> Floats:
        """What comes out at the end, shape [n], of the experience part [n, first layer's units]."""
        np.maximum(base, shifts[0], out=layers[0])
        for (kernel, _), shift, below, above in zip(self._above, shifts[1:], layers, layers[1:], strict=False):
            np.matmul(below, kernel, out=above)
            np.maximum(above, shift, out=above)
        out: Floats = layers[-1] @ self._output
        out += shifts[-1]
        return out

    def _buffers(self, rows: int) -> list[Floats]:
        return [np.empty((min(rows, self._tile), width), np.float32) for width in self._widths]
