"""Scores all pairs in blocks of users; the whole matrix never stands in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender_job.errors import TrainingDiverged
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.relevance import Features, RelevanceModel
from recommender_job.scoring.best import MULTIPLE, Places
from recommender_job.scoring.offering import Offering
from recommender_job.scoring.predicted import PredictedRatings, UserRows
from recommender_job.scoring.product import Floats
from recommender_job.scoring.rules import Rules
from recommender_job.scoring.taken import Taken
from recommender_job.scoring.wanted import Wanted


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

    What a user gets does not depend on the block, to the bit. Make and use it where BLAS keeps to one thread
    (`product.one_thread_each`).

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
    ) -> None:
        self._m = len(experiences)
        self._n = min(n, self._m)
        self._walked = self._n if by_relevance or relevance is None else min(max(candidates, n), self._m)
        self._predicted = PredictedRatings(predictor, experiences)
        self._wanted = Wanted(relevance, experiences) if relevance is not None else None
        self._by_relevance = by_relevance
        self._offering = Offering(rules, self._m)
        self._predict_every = predict_every or keep_every or relevance is None
        self._keep_every = keep_every

    def top(
        self, users: NDArray[np.int64], taken: Taken, block_pairs: int, features: Features | None, threads: int
    ) -> Iterator[Block]:
        """The best experiences of each user that the user does not have yet, block by block.

        Args:
            users: User ids, ascending, shape [u].
            taken: Pairs to leave out.
            block_pairs: Pairs of a block; at least one user is scored at once, whatever it says.
            features: What relevance knows of the users; needed where relevance picks.
            threads: Blocks scored at once.

        Raises:
            TrainingDiverged: A predicted rating or a relevance is not a finite number.
        """
        group = self._predicted.group
        # Few users are divided among the threads rather than scored in one block.
        size = min(max(1, block_pairs // self._m), max(group, -(-len(users) // (4 * threads))))
        size = size // group * group or size

        def work(start: int) -> Block:
            stop = min(start + size, len(users))
            with np.errstate(all="ignore"):  # what is not finite is looked for; it is a thread's own setting
                return self._block(users[start:stop], start, taken.within(start, stop), features)

        yield from in_order(work, range(0, len(users), size), threads)

    def _block(
        self, users: NDArray[np.int64], start: int, taken: NDArray[np.int64], features: Features | None
    ) -> Block:
        rows = self._predicted.rows(users)
        every = None
        if self._predict_every:
            every = self._room(len(users))
            self._predicted.every(rows, every[:, : self._m])
            _refuse_not_finite(every[:, : self._m], "predicted rating", users)
        if self._wanted is not None and features is not None:
            order = self._room(len(users))
            self._wanted.into(features, start, start + len(users), order[:, : self._m])
            _refuse_not_finite(order[:, : self._m], "relevance", users)
            order[taken[:, 0], taken[:, 1]] = -np.inf
            columns, scores = self._rated(rows, self._offering.walk(order, self._walked), users)
        elif every is not None:
            order = every.copy() if self._keep_every else every
            order[taken[:, 0], taken[:, 1]] = -np.inf
            columns = self._offering.walk(order, self._n)
            scores = np.take_along_axis(every, self._offering.places(columns), axis=1)
        places, there = self._offering.places(columns), columns < self._offering.none
        if every is None or not self._keep_every:
            return Block(start, places, there, scores, None)
        user, rank = np.nonzero(there)
        every[user, places[user, rank]] = scores[user, rank]  # what is listed and what is kept are the same number
        return Block(start, places, there, scores, every[:, : self._m])

    def _rated(self, rows: UserRows, columns: Places, users: NDArray[np.int64]) -> tuple[Places, Floats]:
        """The first n of what relevance has picked, in the order of the list, and their predicted ratings."""
        if not self._by_relevance:
            columns = np.sort(columns, axis=1)
        there = columns < self._offering.none
        scores = self._predicted.some(rows, self._offering.places(columns), there)
        _refuse_not_finite(scores, "predicted rating", users)
        if self._by_relevance:
            return columns, scores
        order = np.where(columns < self._offering.pins, np.inf, np.where(there, scores, -np.inf))
        first = np.argsort(-order, axis=1, kind="stable")[:, : self._n]
        return np.take_along_axis(columns, first, axis=1), np.take_along_axis(scores, first, axis=1)

    def _room(self, users: int) -> Floats:
        """A place for values of every pair, with columns of -inf at the end so that rows can be folded."""
        room = np.empty((users, -(-self._m // MULTIPLE) * MULTIPLE), np.float32)
        room[:, self._m :] = -np.inf
        return room


def in_order(work: Callable[[int], Block], starts: range, threads: int) -> Iterator[Block]:
    """Does the work in threads, a few pieces ahead of whoever takes the results, in the order of the pieces."""
    if threads == 1 or len(starts) == 1:
        yield from map(work, starts)
        return
    waiting: deque[Future[Block]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for start in starts:
                waiting.append(pool.submit(work, start))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for piece in waiting:
                piece.cancel()


def _refuse_not_finite(values: Floats, what: str, users: NDArray[np.int64]) -> None:
    if not np.isfinite(values).all():
        raise TrainingDiverged(
            f"A {what} of users {users[0]} to {users[-1]} is not a finite number.",
            action="Clear `refit` and what follows; if it persists, lower `model.learning_rate`.",
        )
