"""Scores all pairs in blocks of users; the whole matrix never stands in memory.

Imports TensorFlow: import this module inside functions only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender_job.errors import TrainingDiverged
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.relevance import Features, RelevanceModel
from recommender_job.ranking.tensorflow import tf
from recommender_job.scoring.networks import Floats, Network
from recommender_job.scoring.offering import Offering
from recommender_job.scoring.rules import Rules
from recommender_job.scoring.taken import Taken


@dataclass(frozen=True)
class Block:
    """Lists of some users, best first.

    Args:
        start: Place of the first user.
        places: Places of the experiences, shape [users, k].
        there: Whether there is one at all: a user may have fewer than k left. Shape [users, k].
        scores: Their predicted ratings, not clipped; shape [users, k].
        every: Predicted ratings of all experiences, shape [users, experiences].
    """

    start: int
    places: NDArray[np.int64]
    there: NDArray[np.bool_]
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
        rules: Pinned experiences and caps of groups; None: none.
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
        rules: Rules | None = None,
    ) -> None:
        self._networks = [Network(model, weight, experiences) for weight, model in predictor.networks]
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
        offering = Offering(rules) if rules else None
        self._offering = offering if offering and offering.matters else None

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
            places, there, scores, every, sound = self._best(
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
            yield Block(start, places.numpy().astype(np.int64), there.numpy(), scores.numpy(), every.numpy())

    def _user_bias(self, users: NDArray[np.int64]) -> Floats:
        if self._bias is None:
            return np.zeros(len(users), np.float32)
        weight, bias = self._bias
        return (weight * (bias.mean + bias.user[bias.users.encode(users)])).astype(np.float32)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]  # no types
    def _best(self, rows: list[Any], user_bias: Any, features: Any, taken: Any) -> tuple[Any, ...]:
        every = user_bias[:, tf.newaxis] + self._experience_bias
        for network, (vectors, bias) in zip(self._networks, rows, strict=True):
            every += network.weight * network.scores(vectors, bias)
        nothing = tf.fill([tf.shape(taken)[0]], -np.inf)
        # Only what is compared holds infinities: what may not stand is lowest. Ratings are taken from `every`.
        ordering = tf.tensor_scatter_nd_update(every, taken, nothing)
        picking = ordering
        if self._relevance is not None:
            matrix, popularity = self._relevance
            relevance = tf.zeros_like(every) + popularity
            if matrix.shape[0]:  # a product over nothing ends the process in some builds of TensorFlow
                relevance += features @ matrix
            picking = tf.tensor_scatter_nd_update(relevance, taken, nothing)
        if self._offering is not None:
            picking = self._offering.picking(picking)
            ordering = self._offering.ordering(ordering, picking)
        # Of equal values, top_k takes the lower place first, which is the lower experience id.
        if self._relevance is None or self._by_relevance:
            best, places = tf.math.top_k(picking, self._k)
        else:
            picked = tf.sort(tf.math.top_k(picking, self._candidates).indices, axis=1)
            best, order = tf.math.top_k(tf.gather(ordering, picked, batch_dims=1), self._k)
            places = tf.gather(picked, order, batch_dims=1)
        if self._offering is not None:
            places = tf.gather(self._offering.places, places)
        scores = tf.gather(every, places, batch_dims=1)
        return places, best > -np.inf, scores, every, tf.reduce_all(tf.math.is_finite(every))
