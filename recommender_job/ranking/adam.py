"""Adam whose steps cost what a batch touches, and end where Adam's own would (docs/decisions/0014).

Imports TensorFlow: import this module inside functions only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from recommender_job.ranking.tensorflow import keras, tf

#: Tables of so many ids or more are brought up to date row by row, when a batch touches them. Below that, going
#: through the whole table at each step is as quick.
LARGE = 5_000
#: Steps after which the bias correction has reached 1, to what float32 can tell.
SETTLED = 20_000
#: Rows that `settle` brings up to date at once.
BLOCK = 65_536


class DeferredAdam(keras.optimizers.Adam):  # type: ignore[misc]  # the library ships no types
    """Adam (Kingma and Ba 2015), which leaves rows of large tables behind until somebody looks at them.

    Adam moves every row at every step, also those that the batch has no ratings of: their gradient is zero, so their
    moments decay and the row drifts on along its first moment, less and less. What n such steps do to a row has a
    closed form. So a row is left alone while no batch touches it, and `catch_up` does all that was left out at once:
    before the row is looked up, and with `settle` before the whole table is.

    What it computes differs from Adam in rounding, and in that the epsilon beside the root of the second moment does
    not grow in weight while that moment decays.

    Args:
        learning_rate: Step size.
        tables: Those of the trained variables whose rows are left behind: tables that nothing but look-ups uses.
    """

    def __init__(self, learning_rate: float, tables: list[Any]) -> None:
        # Where there is a card, Keras would compile a step for every number of rows that a batch can touch.
        super().__init__(learning_rate, jit_compile=False)
        # Whole numbers as float64: rows of integer tables are written by the processor, and for that the table travels
        # from the card and back.
        self._done = {
            self._var_key(table): tf.Variable(tf.zeros(table.shape[0], tf.float64), trainable=False) for table in tables
        }
        self._variables.extend(self._done.values())
        self._left_out = tf.constant(_left_out(self.beta_1, self.beta_2), tf.float32)

    def catch_up(self, table: Any, rows: Any) -> None:
        """Makes the steps up to now that were left out on some rows of a table.

        Args:
            table: One of `tables`.
            rows: int32, each row once.
        """
        place = self._index_dict[self._var_key(table)]
        momentum, velocity, done = self._momentums[place], self._velocities[place], self._done[self._var_key(table)]
        now, began = tf.cast(self.iterations, tf.float64), tf.gather(done, rows)
        missed = tf.cast(now - began, tf.float32)[:, tf.newaxis]
        m, v = tf.gather(momentum, rows), tf.gather(velocity, rows)
        # The k-th step left out moves the row by alpha (began + k) * m / sqrt(v) * ratio ** k: what all to come would,
        # less what those from now on would.
        whole, rest = self._sum_from(began)[:, tf.newaxis], self._sum_from(now)
        drift = self.learning_rate * (whole - _power(self.beta_1 / self.beta_2**0.5, missed) * rest)
        moved = tf.gather(table, rows) - drift * m / (tf.sqrt(v) + self.epsilon)
        table.scatter_update(tf.IndexedSlices(moved, rows))
        momentum.scatter_update(tf.IndexedSlices(m * _power(self.beta_1, missed), rows))
        velocity.scatter_update(tf.IndexedSlices(v * _power(self.beta_2, missed), rows))
        done.scatter_update(tf.IndexedSlices(tf.fill(tf.shape(rows), now), rows))

    def settle(self, table: Any) -> None:
        """Makes all steps up to now that were left out on a table, in blocks of rows."""
        rows = table.shape[0]

        def settle_block(start: Any) -> tuple[Any]:
            self.catch_up(table, tf.range(start, tf.minimum(start + BLOCK, rows)))
            return (start + BLOCK,)

        tf.while_loop(lambda start: start < rows, settle_block, (0,))

    def update_step(self, gradient: Any, variable: Any) -> None:
        """Makes a step: on the rows that a batch has touched, which are up to date, or on the whole variable."""
        key = self._var_key(variable)
        if key not in self._done:
            super().update_step(gradient, variable)
            return
        place, rows, slopes = self._index_dict[key], gradient.indices, gradient.values
        momentum, velocity = self._momentums[place], self._velocities[place]
        now = self.iterations + 1
        step = tf.cast(now, tf.float32)
        m, v = tf.gather(momentum, rows), tf.gather(velocity, rows)
        m += (slopes - m) * (1 - self.beta_1)
        v += (tf.square(slopes) - v) * (1 - self.beta_2)
        alpha = self.learning_rate * tf.sqrt(1 - tf.pow(self.beta_2, step)) / (1 - tf.pow(self.beta_1, step))
        momentum.scatter_update(tf.IndexedSlices(m, rows))
        velocity.scatter_update(tf.IndexedSlices(v, rows))
        variable.scatter_sub(tf.IndexedSlices(alpha * m / (tf.sqrt(v) + self.epsilon), rows))
        done = tf.fill(tf.shape(rows), tf.cast(now, tf.float64))
        self._done[key].scatter_update(tf.IndexedSlices(done, rows))

    def _sum_from(self, step: Any) -> Any:
        return tf.gather(self._left_out, tf.cast(tf.minimum(step, SETTLED), tf.int32))


def _power(base: float, exponent: Any) -> Any:
    # float32 cannot hold 0.999 well enough to be raised to a high power; its logarithm it can.
    return tf.exp(exponent * np.float32(np.log(base)))


def _left_out(beta_1: float, beta_2: float) -> np.ndarray:
    """How far all steps after step s would move a row whose gradient stays zero, by s up to `SETTLED`.

    Unit: learning rate times the moments' quotient at s. With the bias-corrected rate alpha of each step, it is the sum
    of alpha (s + k) * ratio ** k over k from 1.
    """
    steps = np.arange(1, SETTLED + 2, dtype=np.float64)
    alpha = np.sqrt(1 - beta_2**steps) / (1 - beta_1**steps)
    ratio = beta_1 / np.sqrt(beta_2)
    sums = np.empty(SETTLED + 1)
    following = ratio / (1 - ratio)
    for step in range(SETTLED, -1, -1):
        following = sums[step] = ratio * (alpha[step] + following)
    return sums
