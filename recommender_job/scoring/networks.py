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

#: One for each hidden layer.
Shifts = list[Floats]

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

    def shifts(self, users: Floats) -> tuple[list[Shifts], Floats]:
        """What all pairs of a user have in common.

        Args:
            users: Vectors of the users, shape [b, d].

        Returns:
            For each user, what is common before each relu, with the sign turned; and in the output, shape [b].
        """
        found, output = [], np.empty(len(users), np.float32)
        for place, user in enumerate(users):
            shift = user @ self._user_kernel + self._bias
            own = [-shift]
            for kernel, bias in self._above:
                shift = shift @ kernel + bias
                own.append(-shift)
            found.append(own)
            output[place] = shift @ self._output
        return found, output

    def every(self, shifts: list[Shifts], out: Floats, *, add: bool) -> None:
        """Writes what is not common of every pair, or adds it.

        Args:
            shifts: Of the users.
            out: Shape [b, m].
            add: Whether to add.
        """
        buffers = self._buffers(len(self._vectors))
        shared, line = np.empty_like(buffers[0]), np.empty(len(buffers[0]), np.float32)
        for start in range(0, len(self._vectors), self._tile):
            vectors = self._vectors[start : start + self._tile]
            base, layers = shared[: len(vectors)], [buffer[: len(vectors)] for buffer in buffers]
            np.matmul(vectors, self._experience_kernel, out=base)
            for row, own in zip(out[:, start : start + self._tile], shifts, strict=True):
                self._through(base, layers, own)
                if add:
                    row += np.matmul(layers[-1], self._output, out=line[: len(vectors)])
                else:
                    np.matmul(layers[-1], self._output, out=row)

    def add_some(
        self, shifts: list[Shifts], places: NDArray[np.int64], there: NDArray[np.bool_], scores: Floats
    ) -> None:
        """Adds what is not common of some pairs, each user's by themselves.

        They may differ from those of `every` in the last bits.

        Args:
            shifts: Of the users.
            places: Places of the experiences, shape [b, k].
            there: Which of them are asked for, shape [b, k].
            scores: Shape [b, k].
        """
        buffers = self._buffers(places.shape[1])
        for own, chosen, asked, row in zip(shifts, places, there, scores, strict=True):
            columns = np.flatnonzero(asked)
            for start in range(0, len(columns), self._tile):
                part = columns[start : start + self._tile]
                layers = [buffer[: len(part)] for buffer in buffers]
                np.matmul(self._vectors[chosen[part]], self._experience_kernel, out=layers[0])
                self._through(layers[0], layers, own)
                row[part] += layers[-1] @ self._output

    def _through(self, base: Floats, layers: list[Floats], shifts: Shifts) -> None:
        """From the experience part, shape [n, first layer's units], to what the output layer is given: the last."""
        np.maximum(base, shifts[0], out=layers[0])
        for (kernel, _), shift, below, above in zip(self._above, shifts[1:], layers, layers[1:], strict=False):
            np.matmul(below, kernel, out=above)
            np.maximum(above, shift, out=above)

    def _buffers(self, rows: int) -> list[Floats]:
        return [np.empty((min(rows, self._tile), width), np.float32) for width in self._widths]
