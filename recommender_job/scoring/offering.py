"""Pinned experiences and caps of groups, on blocks of scores in the TensorFlow graph.

Taking the first of an order and skipping what would be the (cap + 1)-th of its group keeps exactly the first `cap` of
each group, since one group's experiences do not matter to another's. So the cap is a top-k within each group. Groups
stand in tables of about equal size, so that padding at most doubles a block.
Imports TensorFlow: import this module inside functions only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender_job.ranking.tensorflow import tf
from recommender_job.scoring.rules import Rules


class Offering:
    """The rules for a fixed set of experiences.

    It arranges a block's columns so that the pinned experiences come first, in their order, and the others follow by
    id: where values are equal, the first column is the one that goes first.

    Args:
        rules: Of the scored experiences.
    """

    def __init__(self, rules: Rules) -> None:
        others = np.setdiff1d(np.arange(len(rules.group)), rules.pinned)
        arranged = np.concatenate([rules.pinned, others])
        group = rules.group[arranged]
        self.places = tf.constant(arranged, tf.int64)
        self._pins = len(rules.pinned)
        self._cap = rules.max_per_group
        self._tables = _tables(group, self._cap) if self._cap else []
        too_large = np.zeros(len(group), np.bool_)
        for table, is_real in self._tables:
            too_large[table[is_real]] = True
        self._too_large = tf.constant(too_large)

    @property
    def matters(self) -> bool:
        """Whether any list can be other than without these rules."""
        return bool(self._pins or self._tables)

    def picking(self, order: Any) -> Any:
        """What the order of picking becomes under the rules.

        Args:
            order: Values of experiences, shape [b, m]; -inf for what a user may not have.

        Returns:
            Shape [b, m], columns arranged: +inf for pinned ones that stand, -inf for what may not stand.
        """
        order = tf.gather(order, self.places, axis=1)
        if self._pins:
            # Of too many pinned ones of a group the first are kept below, as of any equal values.
            stands = order[:, : self._pins] > -np.inf
            order = tf.concat([tf.where(stands, np.inf, -np.inf), order[:, self._pins :]], axis=1)
        return self._capped(order)

    def ordering(self, values: Any, picking: Any) -> Any:
        """The same of values that order the candidates.

        Args:
            values: Shape [b, m].
            picking: What `picking` returned.
        """
        values = tf.gather(values, self.places, axis=1)
        return tf.where(tf.math.is_inf(picking), picking, values)

    def _capped(self, order: Any) -> Any:
        if not self._tables:
            return order
        capped = tf.where(self._too_large, -np.inf, order)
        users = tf.shape(order)[0]
        for table, is_real in self._tables:
            groups, size = table.shape
            members = tf.where(is_real, tf.gather(order, table, axis=1), -np.inf)
            best, where = tf.math.top_k(members, self._cap)
            # There are more real members than the cap and they stand first, so that padding is never among the best.
            kept = tf.gather(table.ravel(), where + np.arange(groups, dtype=np.int32)[:, None] * size)
            rows = tf.broadcast_to(tf.range(users, dtype=tf.int64)[:, None, None], tf.shape(kept))
            capped = tf.tensor_scatter_nd_update(capped, tf.stack([rows, kept], axis=-1), best)
        return capped


def _tables(group: NDArray[np.int64], cap: int) -> list[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
    """Columns of the groups that have more than `cap`, and which entries are real: a pair for each class of sizes.

    Both have shape [groups, size]; sizes of a table differ by less than a factor of two.
    """
    columns = np.argsort(group, kind="stable")
    members = np.split(columns, np.flatnonzero(np.diff(group[columns])) + 1)
    classes: dict[int, list[NDArray[np.int64]]] = {}
    for own in members:
        if len(own) > cap:
            classes.setdefault(len(own).bit_length(), []).append(own)
    tables = []
    for groups in classes.values():
        size = max(map(len, groups))
        table = np.stack([np.pad(own, (0, size - len(own))) for own in groups])
        tables.append((table, np.arange(size) < np.array([[len(own)] for own in groups])))
    return tables
