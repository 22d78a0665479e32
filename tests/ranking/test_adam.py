"""Adam that leaves rows behind ends where Keras' own Adam does, and leaves alone what no batch touches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ROWS, WIDTH = 6, 2
RATE = 0.05
#: Keras takes 1 - 0.999 ** step in float32, which is off by a part in thirty thousand at the first steps.
ROUNDING = 3e-5


class Pair:
    """The same table under Keras' Adam and under ours; gradients are given, so that nothing can pull them together."""

    def __init__(self, begun: int = 0) -> None:
        from recommender_job.ranking.adam import DeferredAdam
        from recommender_job.ranking.tensorflow import keras, tf

        start = np.random.default_rng(0).normal(size=(ROWS, WIDTH)).astype(np.float32)
        self.usual, self.table, self.other = (tf.Variable(start) for _ in range(3))
        self.theirs, self.ours = keras.optimizers.Adam(RATE), DeferredAdam(RATE, [self.table])
        self.theirs.build([self.usual])
        self.ours.build([self.table, self.other])
        for optimizer in (self.theirs, self.ours):
            optimizer.iterations.assign(begun)
        for variable in self.ours.variables:
            if variable.dtype == tf.int64 and variable.shape == (ROWS,):
                variable.assign([begun] * ROWS)

    def step(self, rows: list[int], slopes: list[float]) -> None:
        """One batch: a row may stand in it several times."""
        from recommender_job.ranking.tensorflow import tf

        values = tf.constant([[slope, -2 * slope] for slope in slopes], tf.float32)
        self.ours.catch_up(self.table, tf.constant(sorted(set(rows)), tf.int32))
        for optimizer, variables in ((self.theirs, [self.usual]), (self.ours, [self.table, self.other])):
            slices = [tf.IndexedSlices(values, tf.constant(rows, tf.int32), (ROWS, WIDTH)) for _ in variables]
            optimizer.apply_gradients(zip(slices, variables, strict=True))

    def settled(self) -> tuple[Any, Any]:
        self.ours.settle(self.table)
        return self.table.numpy(), self.usual.numpy()


BATCHES = st.lists(
    st.lists(
        st.tuples(st.integers(0, ROWS - 1), st.sampled_from([-3.0, -0.5, 0.0, 0.01, 2.0])), min_size=1, max_size=4
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=12, deadline=None)
@given(batches=BATCHES)
def test_any_batches_end_where_adam_ends(batches: list[list[tuple[int, float]]]) -> None:
    pair = Pair()
    for batch in batches:
        pair.step([row for row, _ in batch], [slope for _, slope in batch])
    ours, theirs = pair.settled()
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=ROUNDING)
    np.testing.assert_array_equal(pair.other.numpy(), theirs)  # not among its tables: Keras' own step, to the bit


@pytest.mark.parametrize("begun", [0, 5, 900, 19_960, 30_000])
@pytest.mark.parametrize("gap", [1, 2, 7, 60])
def test_a_row_that_was_left_alone_for_long(begun: int, gap: int) -> None:
    pair = Pair(begun)
    pair.step([1, 2, 2], [1.0, -1.0, 3.0])
    pair.step([1], [0.5])
    for _ in range(gap):
        pair.step([3], [1.0])
    pair.step([1, 4], [-2.0, 1.0])
    ours, theirs = pair.settled()
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=ROUNDING)


def test_rows_are_left_alone_until_somebody_looks() -> None:
    from recommender_job.ranking.tensorflow import tf

    pair = Pair()
    pair.step([1, 2], [1.0, 1.0])
    before = pair.table.numpy()
    for _ in range(3):
        pair.step([3], [1.0])
    assert np.array_equal(pair.table.numpy()[[0, 1, 2, 4, 5]], before[[0, 1, 2, 4, 5]])
    pair.ours.catch_up(pair.table, tf.constant([1, 5]))
    after = pair.table.numpy()
    assert np.array_equal(after[[0, 2, 4, 5]], before[[0, 2, 4, 5]])  # 2 still waits; nothing ever pulled the others
    np.testing.assert_allclose(after[1], pair.usual.numpy()[1], rtol=0, atol=ROUNDING)
    pair.ours.catch_up(pair.table, tf.constant([1, 5]))
    assert np.array_equal(pair.table.numpy(), after)  # there is nothing left to do


def test_settling_goes_through_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    from recommender_job.ranking import adam

    monkeypatch.setattr(adam, "BLOCK", 4)  # of six rows
    pair = Pair()
    pair.step(list(range(ROWS)), [1.0] * ROWS)
    pair.step([0], [1.0])
    ours, theirs = pair.settled()
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=ROUNDING)
