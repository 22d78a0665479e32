"""The hidden layers of a ranking model, for one user's pairs at a time, in buffers that stay in the processor's cache.

The first dense layer of a concatenation is the sum of a user part and an experience part. The experience part is
computed once for a block of users, the user part once for each user, so that a pair costs only the sum and the layers
above. A pair's place in its tile depends on nothing but its experience, so that its rating has the same bits whatever
else is in the block.
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
        (kernel, self._first_bias), *self._above, (output, _) = model.layers
        self._vectors = vectors
        self._user_kernel = kernel[: vectors.shape[1]].copy()
        self._experience_kernel = kernel[vectors.shape[1] :].copy()
        self._output = (np.float32(weight) * output[:, 0]).copy()
        self._widths = [len(bias) for bias in (self._first_bias, *(bias for _, bias in self._above))]
        self._tile = min(max(CACHED // (self._widths[0] + sum(self._widths)) // 16, 1) * 16, 4096)

    def add_every(self, users: Floats, scores: Floats) -> None:
        """Adds the ratings of every pair.

        Args:
            users: Vectors of the users, shape [b, d].
            scores: Shape [b, m].
        """
        parts = [self._user_part(user) for user in users]
        experiences = len(self._vectors)
        buffers = self._buffers(min(self._tile, experiences))
        base = np.empty_like(buffers[0])
        for start in range(0, experiences, self._tile):
            stop = min(start + self._tile, experiences)
            layers, shared = [buffer[: stop - start] for buffer in buffers], base[: stop - start]
            np.matmul(self._vectors[start:stop], self._experience_kernel, out=shared)
            for part, row in zip(parts, scores, strict=True):
                np.add(shared, part, out=layers[0])
                row[start:stop] += self._through(layers)

    def add_some(self, user: Floats, places: NDArray[np.int64], scores: Floats) -> None:
        """Adds the ratings of one user's pairs; they may differ from those of `add_every` in the last bits.

        Args:
            user: Shape [d].
            places: Places of the experiences, shape [k].
            scores: Shape [k].
        """
        part, buffers = self._user_part(user), self._buffers(min(self._tile, len(places)))
        for start in range(0, len(places), self._tile):
            chosen = self._vectors[places[start : start + self._tile]]
            layers = [buffer[: len(chosen)] for buffer in buffers]
            np.matmul(chosen, self._experience_kernel, out=layers[0])
            layers[0] += part
            scores[start : start + len(chosen)] += self._through(layers)

    def _user_part(self, user: Floats) -> Floats:
        part: Floats = user @ self._user_kernel + self._first_bias
        return part

    def _through(self, layers: list[Floats]) -> Floats:
        """What comes out at the end, shape [n], of what comes into the first hidden layer's relu."""
        for (kernel, bias), below, above in zip(self._above, layers, layers[1:], strict=False):
            np.maximum(below, 0, out=below)
            np.matmul(below, kernel, out=above)
            np.add(above, bias, out=above)
        np.maximum(layers[-1], 0, out=layers[-1])
        out: Floats = layers[-1] @ self._output
        return out

    def _buffers(self, rows: int) -> list[Floats]:
        return [np.empty((rows, width), np.float32) for width in self._widths]
