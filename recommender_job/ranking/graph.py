"""The TensorFlow graph of an epoch: look up, predict, differentiate, step, for every batch, on one device or several.

Imports TensorFlow: import this module inside functions only.
"""

from __future__ import annotations

import contextlib
import functools
from contextlib import AbstractContextManager
from typing import Any

from recommender_job.ranking.adam import LARGE, DeferredAdam
from recommender_job.ranking.cards import usable_cards
from recommender_job.ranking.model import RankingModel
from recommender_job.ranking.tensorflow import keras, tf
from recommender_job.settings import Devices, ModelConfig


class Graph:
    """A model, its optimizer, and the function that takes both through an epoch.

    Args:
        users: Number of known users.
        experiences: Number of known experiences.
        settings: The shape of the model, and its optimizer.
        devices: What it runs on. On several devices, each takes its share of every batch.
    """

    def __init__(self, users: int, experiences: int, settings: ModelConfig, devices: Devices) -> None:
        self._cpu_only = devices == "cpu"
        self._strategy = strategy_of(devices)
        with self._strategy.scope(), self._place():
            self.model = RankingModel(users, experiences, settings)
            self._variables = self.model.named_variables()
            self._behind = {
                side: [
                    self._variables[name] for name in (f"{side}_embedding", f"{side}_bias") if name in self._variables
                ]
                for side, count in (("user", users), ("experience", experiences))
                # Adagrad leaves rows as they are that a batch does not touch: there is nothing to catch up with.
                if settings.optimizer == "adam" and count >= LARGE
            }
            if settings.optimizer == "adam":
                tables = [table for tables in self._behind.values() for table in tables]
                self.optimizer = DeferredAdam(settings.learning_rate, tables)
            else:
                self.optimizer = keras.optimizers.Adagrad(settings.learning_rate, jit_compile=False)
            self.optimizer.build(list(self._variables.values()))
            self._bias_rate = tf.Variable(1.0, trainable=False)
        #: An optimizer's variables start as one number throughout; to keep a large table for that would be a waste.
        self._fresh = [tf.reshape(value, [-1])[0] for value in self.optimizer.variables]
        # One call for each epoch: a call for each batch would cost more than a small batch's own work.
        # Lengths are left open, so that ratings of any number run through the graph that is built once.
        ids, values, one = (tf.TensorSpec(*spec) for spec in (([None], tf.int32), ([None], tf.float32), ([], tf.int32)))
        rated = {"user": ids, "experience": ids, "rating": values}
        # To have Python rewritten into loops, as `autograph` does, takes about as long as the rest of building a graph,
        # and leaves temporary files where a process ends as that of a task does.
        graph = functools.partial(tf.function, autograph=False)
        self.epoch = graph(self._epoch, input_signature=[rated, ids, one])
        self.predict = graph(self._predict, input_signature=[{"user": ids, "experience": ids}])

    def restart(self, learning_rate: float, *, train_biases: bool) -> None:
        """Sets the optimizer to where it begins.

        Args:
            learning_rate: Step size.
            train_biases: Whether the biases are trained too, or stay as they are.
        """
        for variable, value in zip(self.optimizer.variables, self._fresh, strict=True):
            variable.assign(tf.fill(variable.shape, value))
        self.optimizer.learning_rate.assign(learning_rate)
        self._bias_rate.assign(1.0 if train_biases else 0.0)

    def is_finite(self) -> bool:
        """Whether every weight is a finite number."""
        return all(bool(tf.reduce_all(tf.math.is_finite(variable))) for variable in self._variables.values())

    def _place(self) -> AbstractContextManager[object]:
        """Within it, all work is the processor's where that is asked for; or else TensorFlow's choice."""
        place: AbstractContextManager[object] = tf.device("/cpu:0") if self._cpu_only else contextlib.nullcontext()
        return place

    def _predict(self, pairs: dict[str, Any]) -> Any:
        with self._place():
            return self.model(pairs)

    def _epoch(self, pairs: dict[str, Any], order: Any, batch: Any) -> Any:
        with self._place():
            return self._all_batches(pairs, order, batch)

    def _all_batches(self, pairs: dict[str, Any], order: Any, batch: Any) -> Any:
        rows = tf.shape(order)[0]

        def descend(start: Any, total: Any) -> tuple[Any, Any]:
            chosen = order[start : tf.minimum(start + batch, rows)]
            loss = self._step({name: tf.gather(values, chosen) for name, values in pairs.items()})
            return start + batch, total + loss * tf.cast(tf.shape(chosen)[0], tf.float32)

        _, total = tf.while_loop(lambda start, _: start < rows, descend, (0, 0.0))
        for tables in self._behind.values():
            for table in tables:
                self._strategy.extended.update(table, self.optimizer.settle)
        return total / tf.cast(rows, tf.float32)

    def _step(self, pairs: dict[str, Any]) -> Any:
        for side, tables in self._behind.items():
            rows, _ = tf.unique(pairs[side])
            for table in tables:
                self._strategy.extended.update(table, self.optimizer.catch_up, args=(rows,))
        if self._strategy.num_replicas_in_sync == 1:
            return self._strategy.run(self._descend, args=(pairs, 1.0))
        losses = self._strategy.run(self._descend_on_share, args=(pairs,))
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)

    def _descend_on_share(self, pairs: dict[str, Any]) -> Any:
        """A step on one device of several: on its own part of the batch, weighted by the share that it is."""
        devices = self._strategy.num_replicas_in_sync
        place = tf.distribute.get_replica_context().replica_id_in_sync_group
        rows = tf.shape(pairs["rating"])[0]
        own = tf.range(place, rows, devices)
        share = tf.cast(tf.shape(own)[0], tf.float32) / tf.cast(rows, tf.float32)
        # The mean of no rows would be no number: without any, the first row is taken, and weighs nothing.
        own = tf.cond(tf.shape(own)[0] > 0, lambda: own, lambda: tf.zeros([1], tf.int32))
        return self._descend({name: tf.gather(values, own) for name, values in pairs.items()}, share)

    def _descend(self, pairs: dict[str, Any], weight: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = self.model.compute_loss(pairs, training=True) * weight
        gradients = tape.gradient(loss, self._variables)
        for name in ("user_bias", "experience_bias"):
            if name in gradients:  # 0 leaves closed-form biases as they are, in the same graph
                rows = gradients[name]
                gradients[name] = tf.IndexedSlices(rows.values * self._bias_rate, rows.indices, rows.dense_shape)
        self.optimizer.apply_gradients((gradients[name], variable) for name, variable in self._variables.items())
        return loss


def strategy_of(devices: Devices) -> Any:
    """What TensorFlow runs on: all graphics cards; no card; or what it would use by itself, a card if there is one."""
    if devices == "cpu":
        return tf.distribute.OneDeviceStrategy("/cpu:0")
    cards = usable_cards(devices)
    return mirrored(cards) if len(cards) > 1 else tf.distribute.get_strategy()


def mirrored(devices: list[str]) -> Any:
    """The same tables on every device; what the devices find is summed on one of them, always in the same order."""
    # Collective operations would wait for each other from different rounds of the loop over the batches.
    return tf.distribute.MirroredStrategy(devices, cross_device_ops=tf.distribute.ReductionToOneDevice())
