"""Scores all pairs in blocks of users; the whole matrix never stands in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.arrays import Floats
from recommender_job.errors import TrainingDiverged
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.relevance import RelevanceModel
from recommender_job.scoring.best import Places
from recommender_job.scoring.offering import Offering
from recommender_job.scoring.order import STRETCH, Means, Order
from recommender_job.scoring.predicted import PredictedRatings, UserRows
from recommender_job.scoring.rules import Rules
from recommender_job.scoring.taken import Taken
from recommender_job.scoring.wanted import Known, Wanted
from recommender_job.settings import Devices

#: Blocks that each thread may be ahead of whoever takes them, where a block holds nothing but lists.
AHEAD = 4
#: Values that a thread holds where loops are compiled: 1.6 MB, which stay in the cache from one loop to the next.
CACHED = 400_000
#: Users of a block then: from one block to the next, threads wait for one another.
TOGETHER = 4096


@dataclass(frozen=True)
class Block:
    """Lists of some users, best first.

    Args:
        start: Place of the first user.
        places: Places of the experiences, shape [users, n].
        there: Whether there is one at all: a user may have fewer than n left. Shape [users, n].
        scores: Their predicted ratings, not clipped; shape [users, n].
        every: Predicted ratings of all experiences, not clipped, shape [users, experiences]; None unless asked for.
    """

    start: int
    places: Places
    there: NDArray[np.bool_]
    scores: Floats
    every: Floats | None


class Scorer:
    """Predicted ratings of blocks of users for a fixed set of experiences, and the best of them.

    What a user gets does not depend on the block: to the bit on the processor, but for last bits on cards. Make and use
    it where BLAS keeps to one thread (`product.one_thread_each`).

    Args:
        predictor: Predicts the ratings.
        experiences: Experience ids, ascending, shape [m]. Equal scores rank in this order.
        relevance: Picks the candidates; None: every experience is one.
        n: Length of the lists.
        candidates: How many relevance picks; n or more.
        by_relevance: Whether relevance orders the list too, rather than the predicted rating.
        rules: Pinned experiences and caps of groups; None: none.
        predict_every: Whether every pair's rating is predicted also where relevance picks. The lists are the same.
        keep_every: Whether blocks hold the predicted ratings of every pair.
        devices: What predicts every pair, where that is asked for.
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
        predict_every: bool = False,
        keep_every: bool = False,
        devices: Devices = "cpu",
    ) -> None:
        self._m = len(experiences)
        self._n = min(n, self._m)
        self._walked = self._n if by_relevance or relevance is None else min(max(candidates, n), self._m)
        self._predict_every = predict_every or keep_every or relevance is None
        self._predicted = PredictedRatings(predictor, experiences, devices if self._predict_every else "cpu")
        self._wanted = Wanted(relevance, experiences) if relevance is not None else None
        self._by_relevance = by_relevance
        self._offering = Offering(rules, self._m)
        self._keep_every = keep_every

    def known(self, users: NDArray[np.int64], rated: pd.DataFrame, threads: int, *, compiled: bool) -> Known | None:
        """What relevance knows of users, ascending, by their ids and their ratings; None where it picks nothing."""
        return self._wanted.known(users, rated, threads, compiled=compiled) if self._wanted is not None else None

    def top(
        self,
        users: NDArray[np.int64],
        taken: Taken,
        block_pairs: int,
        known: Known | None,
        threads: int,
        *,
        compiled: bool,
    ) -> Iterator[Block]:
        """The best experiences of each user that the user does not have yet, block by block.

        Args:
            users: User ids, ascending, shape [u].
            taken: Pairs to leave out.
            block_pairs: Pairs whose values a thread holds; those of one user's stretch at least, whatever it says.
            known: Of the users.
            threads: Blocks scored at once.
            compiled: Whether loops are compiled; the lists are the same.

        Raises:
            TrainingDiverged: A predicted rating or a relevance is not a finite number.
        """
        group = self._predicted.group
        held = self._m if self._keep_every else min(self._m, STRETCH)
        size = max(1, block_pairs // held)
        together = min(size, CACHED // held) // group * group or min(size, group)
        if compiled and not self._keep_every:
            size = max(size, TOGETHER)
        # Few users are divided among the threads rather than scored in one block.
        size = min(size, max(group, -(-len(users) // (4 * threads))))
        size = size // group * group or size
        means = Means(together if compiled else size, compiled)

        def work(start: int) -> Block:
            stop = min(start + size, len(users))
            with np.errstate(all="ignore"):  # what is not finite is looked for; it is a thread's own setting
                return self._block(users[start:stop], start, taken, known, means)

        yield from in_order(work, range(0, len(users), size), threads, 1 if self._keep_every else AHEAD * threads)

    def _block(self, users: NDArray[np.int64], start: int, taken: Taken, known: Known | None, means: Means) -> Block:
        rows, everybody = self._predicted.rows(users), np.arange(len(users))
        every = np.empty((len(users), self._m), np.float32) if self._keep_every else None

        def predict(own: Places, first: int, out: Floats) -> None:
            sure = self._predicted.every(rows.of(own), out, first)
            _refuse_not_finite(out, sure, "predicted rating", users)
            if every is not None:
                every[own, first : first + out.shape[1]] = out

        def want(own: Places, first: int, out: Floats) -> None:
            if self._wanted is not None and known is not None:
                sure = self._wanted.into(known, start, own, out, first, compiled=means.compiled)
                _refuse_not_finite(out, sure, "relevance", users)

        if self._wanted is None:
            order = Order(len(users), self._m, predict, taken, start, self._offering.pinned, means)
            columns, scores = self._offering.walk(order, len(users), self._n)
        else:
            for begin in range(0, len(users), means.together) if self._predict_every else ():
                own = everybody[begin : begin + means.together]
                for first in range(0, self._m, STRETCH):
                    predict(own, first, np.empty((len(own), min(STRETCH, self._m - first)), np.float32))
            order = Order(len(users), self._m, want, taken, start, self._offering.pinned, means)
            columns, _ = self._offering.walk(order, len(users), self._walked)
            columns, scores = self._rated(rows, columns, users)
        places, there = self._offering.places(columns), columns < self._offering.none
        if every is not None:
            user, rank = np.nonzero(there)
            every[user, places[user, rank]] = scores[user, rank]  # what is listed and what is kept are the same number
        return Block(start, places, there, scores, every)

    def _rated(self, rows: UserRows, columns: Places, users: NDArray[np.int64]) -> tuple[Places, Floats]:
        """The first n of what relevance has picked, in the order of the list, and their predicted ratings."""
        if not self._by_relevance:
            columns = np.sort(columns, axis=1)
        there = columns < self._offering.none
        scores = self._predicted.some(rows, self._offering.places(columns), there)
        _refuse_not_finite(scores, False, "predicted rating", users)
        if self._by_relevance:
            return columns, scores
        order = np.where(columns < self._offering.pins, np.inf, np.where(there, scores, -np.inf))
        first = np.argsort(-order, axis=1, kind="stable")[:, : self._n]
        return np.take_along_axis(columns, first, axis=1), np.take_along_axis(scores, first, axis=1)


def in_order(work: Callable[[int], Block], starts: range, threads: int, ahead: int) -> Iterator[Block]:
    """Does the work in threads, some pieces ahead of whoever takes the results, in the order of the pieces."""
    if threads == 1 or len(starts) == 1:
        yield from map(work, starts)
        return
    waiting: deque[Future[Block]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for start in starts:
                waiting.append(pool.submit(work, start))
                if len(waiting) >= threads + ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for piece in waiting:
                piece.cancel()


def _refuse_not_finite(values: Floats, surely_finite: bool, what: str, users: NDArray[np.int64]) -> None:
    # The sum of finite numbers is finite, or beyond the highest there is: only then each is looked at.
    if not surely_finite and not np.isfinite(values.sum()) and not np.isfinite(values).all():
        raise TrainingDiverged(
            f"A {what} of users {users[0]} to {users[-1]} is not a finite number.",
            action="Clear `refit` and what follows; if it persists, lower `model.learning_rate`.",
        )
