"""The hidden layers of a ranking model on graphics cards: what `networks.py` computes, for many users at a time.

The way through the layers is the same, with what users have in common taken out, so that the rest of scoring does not
know which of the two it is given. Its last bits may differ from the processor's.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from recommender_job.arrays import Floats
from recommender_job.ranking.cards import usable_cards
from recommender_job.ranking.trained import TrainedModel
from recommender_job.scoring.networks import Network, Shifts
from recommender_job.settings import Devices

#: Values of all layers of a piece, at most, each counted twice, before and after its relu: 512 MiB.
PIECE = 2**27
#: Users of a piece, at most; so many are enough to keep a card busy.
USERS = 1024
#: Pieces that may be on a card at once, of all threads: one is computed while the other's ratings come back.
AT_ONCE = 2


class Card:
    """A graphics card that threads take turns with, so that its memory does not grow with their number.

    Args:
        name: As TensorFlow calls it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.turn = threading.BoundedSemaphore(AT_ONCE)


def cards_of(devices: Devices) -> list[Card]:
    """The cards to score on; empty: there is none to use, and where there is none at all TensorFlow is not loaded."""
    return [Card(name) for name in usable_cards(devices)]


class CardNetwork(Network):
    """A network whose hidden layers are computed on cards where every pair is asked for.

    Some pairs of each user, and what users have in common, stay with the processor: there is too little to compute for
    what would have to travel.

    Args:
        model: The model.
        weight: What its output is multiplied by.
        vectors: Vectors of the experiences, shape [m, d].
        cards: One or several; blocks of users go to them in turn.
    """

    def __init__(self, model: TrainedModel, weight: float, vectors: Floats, cards: Sequence[Card]) -> None:
        super().__init__(model, weight, vectors)
        kernels = [self._experience_kernel, *(kernel for kernel, _ in self._above)]
        places = [OnCard(card, vectors, kernels, self._output, self._widths) for card in cards]
        self._turns = itertools.cycle(places)  # the next one is handed out to one thread at a time

    def every(self, shifts: Shifts, out: Floats, first: int, *, add: bool) -> None:
        """As of `Network`; the last bits may differ from its own, and where users stand elsewhere in a block."""
        next(self._turns).every(shifts, out, first, add)


class OnCard:
    """The weights of a network on one card, and its way through the layers.

    Args:
        card: The card.
        vectors: Vectors of the experiences, shape [m, d].
        kernels: Of the hidden layers, the first one's for experiences only.
        output: Of the output layer, shape [units].
        widths: Units of each hidden layer.
    """

    def __init__(
        self, card: Card, vectors: Floats, kernels: list[Floats], output: Floats, widths: Sequence[int]
    ) -> None:
        from recommender_job.ranking.tensorflow import tf

        self.card, self._widths, self._tf = card, widths, tf
        with tf.device(card.name):
            self._vectors = tf.constant(vectors)
            (below, *above), last = [tf.constant(kernel) for kernel in kernels], tf.constant(output[:, np.newaxis])

        def through(part: Any, *shifts: Any) -> Any:
            """Ratings of some users, given what each has in common, and a stretch of experiences; shape [b, n]."""
            with tf.device(card.name):
                users, experiences = tf.shape(shifts[0])[0], tf.shape(part)[0]
                hidden = tf.maximum(tf.matmul(part, below), shifts[0][:, tf.newaxis])
                for kernel, shift in zip(above, shifts[1:], strict=True):
                    product = tf.matmul(tf.reshape(hidden, [-1, kernel.shape[0]]), kernel)
                    hidden = tf.maximum(
                        tf.reshape(product, [users, experiences, kernel.shape[1]]), shift[:, tf.newaxis]
                    )
                return tf.reshape(tf.matmul(tf.reshape(hidden, [-1, last.shape[0]]), last), [users, experiences])

        signature = [tf.TensorSpec([None, width]) for width in (vectors.shape[1], *widths)]
        self._through = tf.function(through, input_signature=signature, autograph=False)

    def every(self, shifts: Shifts, out: Floats, first: int, add: bool) -> None:
        """As of `Network`."""
        # Pieces of one size, filled up with zeros: the card's libraries choose their way of adding up by the size.
        size = min(max(PIECE // (out.shape[1] * 2 * sum(self._widths)), 1), USERS)
        for start in range(0, len(out), size):
            rows = out[start : start + size]
            own = [_filled(shift[start : start + size], size) for shift in shifts]
            with self.card.turn, self._tf.device(self.card.name):
                part = self._vectors[first : first + out.shape[1]]
                found = self._through(part, *own).numpy()[: len(rows)]
            if add:
                rows += found
            else:
                rows[:] = found


def _filled(rows: Floats, size: int) -> Floats:
    if len(rows) == size:
        return rows
    filled = np.zeros((size, rows.shape[1]), np.float32)
    filled[: len(rows)] = rows
    return filled
