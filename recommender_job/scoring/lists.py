"""Top-N lists as frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.config import Config
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.relevance import RelevanceModel
from recommender_job.scoring.blocks import Block, Scorer
from recommender_job.scoring.product import one_thread_each, usable_threads
from recommender_job.scoring.rules import Rules
from recommender_job.scoring.taken import Taken
from recommender_job.settings import Devices
from recommender_job.tables import EXPERIENCE, LISTS, PREDICTED, RANK, USER, checked

#: Users of a block and their predicted ratings of every experience, shape [users, experiences].
OnScores = Callable[[NDArray[np.int64], NDArray[np.float32]], None]

#: Pairs after which loops are compiled: NumPy alone takes as long for them as loading the compiler does.
COMPILED_FROM = 200_000_000
#: Rows of a part, about: checking one takes milliseconds, whatever its size.
PART_ROWS = 400_000


class ListMaker:
    """Makes users' lists, without what they have rated or opted out of, from a fixed set of experiences.

    Relevance picks the candidates; of these the n with the highest predicted rating are the list, best first. With
    `order_by="relevance"`, the n most relevant are, most relevant first. What is pinned stands in front of that.

    Args:
        predictor: Predicts the ratings.
        experiences: Ids that may be recommended, ascending.
        n: Length of the lists; shorter where fewer experiences are left.
        scale: Predicted ratings are clipped to it after ranking, so that clipping makes no ties.
        block_pairs: Pairs scored at once by each thread.
        relevance: None: every experience is a candidate, and the predicted rating decides alone.
        candidates: How many relevance picks, n at least.
        order_by: What orders a list.
        on_scores: Given the predicted ratings of every pair, block by block, clipped.
        rules: Pinned experiences and caps of groups; None: none.
        predict: Whether all pairs get a predicted rating, or, where relevance picks, the candidates only. The lists
            are the same.
        threads: None: as many as the process may run at once. The lists are the same.
        devices: What predicts every pair's rating. Lists that relevance picks are the same.
    """

    def __init__(
        self,
        predictor: Predictor,
        experiences: NDArray[np.int64],
        *,
        n: int,
        scale: tuple[float, float],
        block_pairs: int,
        relevance: RelevanceModel | None = None,
        candidates: int = 0,
        order_by: Literal["predicted_rating", "relevance"] = "predicted_rating",
        on_scores: OnScores | None = None,
        rules: Rules | None = None,
        predict: Literal["all", "candidates"] = "candidates",
        threads: int | None = None,
        devices: Devices = "cpu",
    ) -> None:
        self._experiences, self._scale, self._block_pairs = experiences, scale, block_pairs
        self._on_scores = on_scores
        self._asked = 0
        self._threads = usable_threads(threads)
        with one_thread_each():
            self._scorer = Scorer(
                predictor,
                experiences,
                n=n,
                relevance=relevance,
                candidates=candidates,
                by_relevance=order_by == "relevance",
                rules=rules,
                predict_every=predict == "all",
                keep_every=on_scores is not None,
                devices=devices,
            )

    def lists(
        self, users: NDArray[np.int64], rated: pd.DataFrame, opt_outs: pd.DataFrame | None = None
    ) -> Iterator[pd.DataFrame]:
        """The users' lists in parts, so that their memory does not grow with the users.

        Args:
            users: Ids, ascending.
            rated: `user_id`, `experience_id` of their ratings; those of other experiences only tell relevance about
                the user, those of other users do not matter.
            opt_outs: The same of pairs to leave out that say nothing about the user's taste; None: none.

        Yields:
            Frames of `tables.LISTS`, ascending by user and rank. Equal scores rank by experience id.

        Raises:
            TrainingDiverged: A predicted rating or a relevance is not a finite number.
        """
        if not len(users) or not len(self._experiences):
            return
        self._asked += len(users) * len(self._experiences)
        compiled = self._asked >= COMPILED_FROM
        frames = [rated] if opt_outs is None else [rated, opt_outs]  # relevance is not told of opt-outs
        taken = Taken.of(frames, users, self._experiences, self._threads, compiled=compiled)
        known = self._scorer.known(users, rated, self._threads, compiled=compiled)
        columns: list[tuple[NDArray[np.generic], ...]] = []
        with one_thread_each():
            for block in self._scorer.top(users, taken, self._block_pairs, known, self._threads, compiled=compiled):
                owners = users[block.start : block.start + len(block.places)]
                if self._on_scores and block.every is not None:
                    self._on_scores(owners, np.clip(block.every, *self._scale))
                columns.append(self._columns(owners, block))
                if sum(len(column[0]) for column in columns) >= PART_ROWS:
                    yield _frame(columns)
                    columns = []
        if columns:
            yield _frame(columns)

    def _columns(self, owners: NDArray[np.int64], block: Block) -> tuple[NDArray[np.generic], ...]:
        users, n = block.places.shape
        # Of nearly everybody, n experiences are left: then nothing need be picked.
        left = slice(None) if block.there.all() else block.there.ravel()
        return (
            owners.repeat(n)[left],
            np.tile(np.arange(1, n + 1, dtype=np.int16), users)[left],
            self._experiences[block.places.ravel()[left]],
            np.clip(block.scores.ravel()[left], *self._scale).astype(np.float32, copy=False),
        )


def _frame(columns: list[tuple[NDArray[np.generic], ...]]) -> pd.DataFrame:
    joined = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    table = dict(zip((USER, RANK, EXPERIENCE, PREDICTED), joined, strict=True))
    return checked(pd.DataFrame(table, copy=False), LISTS)


def empty_lists() -> pd.DataFrame:
    """A frame of `tables.LISTS` without rows."""
    return pd.DataFrame({name: pd.Series(dtype=str(column.dtype)) for name, column in LISTS.columns.items()})


def top_lists(
    predictor: Predictor,
    users: NDArray[np.int64],
    experiences: NDArray[np.int64],
    rated: pd.DataFrame,
    opt_outs: pd.DataFrame | None = None,
    **how: Any,
) -> pd.DataFrame:
    """The lists of some users in one frame.

    Args:
        predictor: Predicts the ratings.
        users: Ids, ascending.
        experiences: Ids that may be recommended, ascending.
        rated: `user_id`, `experience_id` of ratings.
        opt_outs: The same of pairs to leave out; None: none.
        **how: As `ListMaker` takes it.

    Returns:
        A frame of `tables.LISTS`, ascending by user and rank.
    """
    parts = list(ListMaker(predictor, experiences, **how).lists(users, rated, opt_outs))
    return pd.concat(parts, ignore_index=True) if parts else empty_lists()


def configured(
    config: Config,
    predictor: Predictor,
    relevance: RelevanceModel,
    experiences: NDArray[np.int64],
    *,
    n: int,
    on_scores: OnScores | None = None,
    rules: Rules | None = None,
    predict: Literal["all", "candidates"] = "candidates",
    devices: Devices = "cpu",
) -> ListMaker:
    """Makes lists as `candidates_per_user` and `order_by` say, in blocks and threads as the settings say.

    `rules` are given by whoever publishes the lists. Figures of a model are of its lists without them. `devices` are
    given by who scores everybody: for a sample of users, a card is not worth the loading.
    """
    by_rating_alone = config.candidates_per_user == "all" and config.order_by == "predicted_rating"
    candidates = len(experiences) if config.candidates_per_user == "all" else config.candidates_per_user or n
    return ListMaker(
        predictor,
        experiences,
        n=n,
        scale=(config.rating_min, config.rating_max),
        block_pairs=config.block_pairs,
        relevance=None if by_rating_alone else relevance,
        candidates=candidates,
        order_by=config.order_by,
        on_scores=on_scores,
        rules=rules,
        predict=predict,
        threads=config.score_threads,
        devices=devices,
    )


def configured_lists(
    config: Config,
    predictor: Predictor,
    relevance: RelevanceModel,
    users: NDArray[np.int64],
    experiences: NDArray[np.int64],
    rated: pd.DataFrame,
    *,
    n: int,
    rules: Rules | None = None,
) -> pd.DataFrame:
    """`top_lists` as the settings say."""
    parts = list(configured(config, predictor, relevance, experiences, n=n, rules=rules).lists(users, rated))
    return pd.concat(parts, ignore_index=True) if parts else empty_lists()
