"""Trains on one file and predicts another: the same model, metrics and lists as the night, without a database."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recommender_job.config import Config
from recommender_job.errors import NothingToTrainOn
from recommender_job.evaluating.list_figures import list_figures
from recommender_job.evaluating.rating_figures import rating_figures
from recommender_job.ranking.predictor import train_predictor
from recommender_job.ranking.recipes import find_recipe
from recommender_job.ranking.relevance import train_relevance
from recommender_job.ranking.stages import Progress
from recommender_job.ranking.trainer import Trainers
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.reader import read_batches
from recommender_job.tables import EXPERIENCE, PREDICTED, RANK, RATED_AT, RATING, USER


@dataclass(frozen=True)
class Backtest:
    """What a backtest found.

    Args:
        figures: `rmse`, `mae`, `n`, `baselines`, `baselines_mae`, `slices`, `ndcg@10`, `recall@10`, `coverage`, … of
            the pairs that are not in the training file; `seen_pairs`, how many are.
        predictions: `user`, `experience`, `rating`, `predicted_rating`: every pair of the test file, in its order and
            with its ids.
        lists: `user`, `rank`, `experience`, `predicted_rating` for every user of the test file.
    """

    figures: dict[str, Any]
    predictions: pd.DataFrame
    lists: pd.DataFrame


def backtest(config: Config, train: Path, test: Path, columns: Columns, progress: Progress) -> Backtest:
    """Trains the configured model on a file and evaluates it on another.

    Args:
        config: Settings.
        train: Ratings to train on; of a pair that repeats, the latest counts.
        test: Pairs to predict, each as it stands.
        columns: How to read both.
        progress: Called after each epoch.

    Raises:
        BadFile: A file cannot be read.
        NothingToTrainOn: One of them holds no readable rating.
    """
    training, refused = _read(train, columns)
    pairs, refused_pairs = _read(test, columns)
    users = _Codes.of(training["user"], pairs["user"])
    experiences = _Codes.of(training["experience_key"], pairs["experience_key"])
    training, pairs = (
        rows.assign(**{USER: users.encode(rows["user"]), EXPERIENCE: experiences.encode(rows["experience_key"])})
        for rows in (training, pairs)
    )
    order = ["rated_at", "line"] if "rated_at" in training else ["line"]
    training = training.sort_values(order).drop_duplicates([USER, EXPERIENCE], keep="last", ignore_index=True)
    if RATED_AT not in training:  # then the order of the lines is the order of events
        seconds = pd.to_timedelta(training["line"], unit="s")
        training = training.assign(**{RATED_AT: (pd.Timestamp(0, tz="UTC") + seconds).astype("datetime64[us, UTC]")})
    figures, predicted, lists = train_and_evaluate(training, pairs, config, progress)
    figures |= {"rejected": refused + refused_pairs}
    return Backtest(figures, _original_pairs(predicted), _original_lists(lists, users, training))


def train_and_evaluate(
    training: pd.DataFrame, pairs: pd.DataFrame, config: Config, progress: Progress = lambda epoch, epochs: None
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]:
    """Finds a recipe on the training part, trains it, and evaluates it on the pairs that are not in there.

    Args:
        training: `user_id`, `experience_id`, `rating`, `rated_at`; each pair once, in the order of events.
        pairs: `user_id`, `experience_id`, `rating`. Those of the training part are predicted, but count in no figure.
        config: Settings. `holdout` says how `pairs` was cut off, so that settings are compared on parts cut alike.
        progress: Called after each epoch of the final training.

    Returns:
        Figures, with `seen_pairs`, how many are in the training part; the pairs with predictions; lists of the users of
        the pairs.

    Raises:
        NothingToTrainOn: All pairs are in the training part.
    """
    both = [USER, EXPERIENCE]
    is_seen = pd.MultiIndex.from_frame(pairs[both]).isin(pd.MultiIndex.from_frame(training[both]))
    if is_seen.all():
        raise NothingToTrainOn(
            f"All {len(pairs):,} pairs of user and experience to predict are among those to train on.",
            action="Split the ratings by pairs, not by rows: what a model has seen says nothing about what it has not.",
        )
    trainers = Trainers(training)
    recipe, selection = find_recipe(training, config, trainers)
    predictor, _, fitted = train_predictor(training, recipe, progress, trainers)
    relevance = train_relevance(training, recipe.relevance, seed=config.seed)
    figures, predicted = rating_figures(predictor, training, pairs[~is_seen], config)
    seen = pairs[is_seen]
    ratings = np.clip(
        predictor.predict(*(seen[name].to_numpy() for name in both)), config.rating_min, config.rating_max
    )
    predicted = pd.concat([predicted, seen.assign(**{PREDICTED: ratings.astype(np.float32)})]).loc[pairs.index]
    # No list holds what the user has rated: to have liked that is nothing to be found again.
    liked = pairs.assign(**{RATING: pairs[RATING].mask(is_seen, config.rating_min)})
    list_found, lists = list_figures(predictor, relevance, training, liked, config)
    figures |= {name: list_found["model"][name] for name in ("ndcg@10", "recall@10", "coverage")}
    figures |= {"lists": list_found, "selection": selection, "seen_pairs": len(seen)}
    return figures | {"train_pairs": len(training), "epochs": fitted["epochs"]}, predicted, lists


@dataclass(frozen=True)
class _Codes:
    """Texts as int64 codes, in the order of the numbers where all are whole numbers, else of the texts."""

    texts: pd.Index

    @classmethod
    def of(cls, *columns: pd.Series) -> _Codes:
        distinct = pd.Series(pd.unique(pd.concat(columns, ignore_index=True)), dtype=object)
        numbers = _as_numbers(distinct)
        return cls(pd.Index(distinct.iloc[np.argsort(numbers.to_numpy(), kind="stable")]))

    def encode(self, column: pd.Series) -> pd.Series:
        return pd.Series(self.texts.get_indexer(pd.Index(column)).astype(np.int64), index=column.index)


def _read(file: Path, columns: Columns) -> tuple[pd.DataFrame, int]:
    batches = list(read_batches(file, columns, dates_needed=False))
    rows = pd.concat([batch.rows for batch in batches], ignore_index=True) if batches else pd.DataFrame()
    if rows.empty:
        raise NothingToTrainOn(f"{file} holds no readable rating.", action="Check the file and the column options.")
    return rows.assign(**{RATING: rows["rating"].astype(np.float32)}), sum(len(batch.rejected) for batch in batches)


def _as_numbers(texts: pd.Series) -> pd.Series:
    """Whole numbers where every text is one, the texts themselves otherwise."""
    # Only as numbers are written: 007 and 7 are two users.
    if texts.str.fullmatch(r"0|-?[1-9]\d{0,18}").all():
        numbers = texts.map(int)
        if numbers.between(-(2**63), 2**63 - 1).all():
            return numbers.astype("int64")
    return texts.astype(str)


def _original_pairs(predicted: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "user": _as_numbers(predicted["user"]),
            "experience": _as_numbers(predicted["experience_text"]),
            "rating": predicted[RATING],
            "predicted_rating": predicted[PREDICTED],
        }
    )


def _original_lists(lists: pd.DataFrame, users: _Codes, training: pd.DataFrame) -> pd.DataFrame:
    """Ids as the files have them; an experience in its most frequent spelling."""
    spelling = training.groupby(EXPERIENCE)["experience_text"].agg(lambda texts: texts.value_counts().index[0])
    return pd.DataFrame(
        {
            "user": _as_numbers(pd.Series(users.texts[lists[USER]], dtype=object)),
            "rank": lists[RANK].to_numpy(),
            "experience": _as_numbers(lists[EXPERIENCE].map(spelling).reset_index(drop=True)),
            "predicted_rating": lists[PREDICTED].to_numpy(),
        }
    )
