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

from recommender_job.arrays import Floats
from recommender_job.ranking.trained import TrainedModel

#: What is common to a user's pairs before each relu, with the sign turned: for each hidden layer, shape [users, units].
Shifts = list[Floats]

#: Values of all layers of a tile, at most: 2.25 MiB of the caches. With fewer, threads wait for one another more often.
CACHED = 589_824


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

    def shifts(self, users: Floats) -> tuple[Shifts, Floats]:
        """What all pairs of a user have in common.

        Args:
            users: Vectors of the users, shape [b, d].

        Returns:
            What is common before each relu, with the sign turned; and in the output, shape [b].
        """
        # Of shape [b, 1, units]: one product for each user, whoever stands beside.
        shift = users[:, None] @ self._user_kernel + self._bias
        found = [-shift[:, 0]]
        for kernel, bias in self._above:
            shift = shift @ kernel + bias
            found.append(-shift[:, 0])
        return found, (shift @ self._output)[:, 0]

    def every(self, shifts: Shifts, out: Floats, first: int, *, add: bool) -> None:
        """Writes what is not common of every pair of the experiences from `first` on, or adds it.

        Args:
            shifts: Of the users.
            out: Shape [b, n].
            first: Place of the first experience; counted from elsewhere, the last bits may differ.
            add: Whether to add.
        """
        rows = min(out.shape[1], self._tile)
        buffers = [np.empty((rows, width), np.float32) for width in self._widths]
        shared, line = np.empty_like(buffers[0]), np.empty(rows, np.float32)
        for start in range(0, out.shape[1], self._tile):
            vectors = self._vectors[first + start : min(first + start + self._tile, first + out.shape[1])]
            base, layers = shared[: len(vectors)], [buffer[: len(vectors)] for buffer in buffers]
            np.matmul(vectors, self._experience_kernel, out=base)
            for row, *own in zip(out[:, start : start + self._tile], *shifts, strict=True):
                self._through(base, layers, own)
                if add:
                    row += np.matmul(layers[-1], self._output, out=line[: len(vectors)])
                else:
                    np.matmul(layers[-1], self._output, out=row)

    def add_some(self, shifts: Shifts, places: NDArray[np.int64], scores: Floats) -> None:
        """Adds what is not common of some pairs, each user's by themselves.

        They may differ from those of `every` in the last bits.

        Args:
            shifts: Of the users.
            places: Places of the experiences, shape [b, k].
            scores: Shape [b, k].
        """
        for start in range(0, places.shape[1], self._tile):
            part = places[:, start : start + self._tile]
            # Of shape [users, k, units]: a product for each user, of so many users that they stay in the cache.
            together = max(self._tile // part.shape[1], 1)
            buffers = [np.empty((together, part.shape[1], width), np.float32) for width in self._widths]
            for begin in range(0, len(places), together):
                chosen = part[begin : begin + together]
                layers = [buffer[: len(chosen)] for buffer in buffers]
                np.matmul(self._vectors[chosen], self._experience_kernel, out=layers[0])
                self._through(layers[0], layers, [shift[begin : begin + together, None] for shift in shifts])
                scores[begin : begin + together, start : start + self._tile] += layers[-1] @ self._output

    def _through(self, base: Floats, layers: list[Floats], shifts: Shifts) -> None:
        """From the experience part, shape [..., n, units], to what the output layer is given: the last."""
        np.maximum(base, shifts[0], out=layers[0])
        for (kernel, _), shift, below, above in zip(self._above, shifts[1:], layers, layers[1:], strict=False):
            np.matmul(below, kernel, out=above)
            np.maximum(above, shift, out=above)
