"""How good predicted ratings and lists are, beside scikit-surprise's SVD tuned on the same validation parts.

`make bench` runs it on RATINGS_CSV, or on a made-up world. Splits: random, numpy's `default_rng(1000 + k)` for
k = 0 … 9, the first 80 % train; by time, the last fifth; and the last pair of each user with two or more.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from surprise import SVD, Dataset, Reader

from benchmarks.ratings import clean_pairs
from recommender_job.backtest import train_and_evaluate
from recommender_job.config import Config, load_config
from recommender_job.evaluating.bootstrap import Bootstrap, interval
from recommender_job.ranking.folds import validation_folds
from recommender_job.ratings.split import split
from recommender_job.tables import EXPERIENCE, PREDICTED, RATING, USER

SPLITS = 10
#: Splits whose lists are reported; the others chose what lists are made by.
LIST_SPLITS = range(5, 10)
SVD_GRID = [
    {"n_factors": factors, "n_epochs": epochs, "lr_all": 0.01, "reg_all": penalty}
    for factors, epochs, penalty in itertools.product((10, 50, 100), (20, 40), (0.05, 0.1, 0.2, 0.4))
]


def main() -> None:
    """Prints the table; `--json FILE` keeps every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", help="Write every figure to this file.")
    parser.add_argument("--splits", type=int, default=SPLITS, help="Random splits, from k = 0.")
    options = parser.parse_args()
    name, pairs = clean_pairs()
    print(f"{name}: {len(pairs):,} pairs, {pairs[USER].nunique():,} users, {pairs[EXPERIENCE].nunique():,} experiences")
    rows = [measured(label, holdout, *parts) for label, holdout, parts in _splits(pairs, options.splits)]
    _show(rows)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=2)


def _splits(pairs: pd.DataFrame, count: int) -> Iterator[tuple[str, str, tuple[pd.DataFrame, pd.DataFrame]]]:
    for k in range(count):
        order = np.random.default_rng(1000 + k).permutation(len(pairs))
        cut = int(len(pairs) * 0.8)
        training, test = (pairs.iloc[np.sort(part)].reset_index(drop=True) for part in (order[:cut], order[cut:]))
        yield f"random {k}", "random", (training, test)
    for holdout in ("time", "last"):
        yield holdout, holdout, split(pairs, holdout, share=0.2, seed=0)


def measured(label: str, holdout: str, training: pd.DataFrame, test: pd.DataFrame) -> dict[str, Any]:
    """Figures of one split: ours with default lists, NDCG of lists ordered by relevance, and SVD's RMSE."""
    config = load_config({"holdout": holdout})
    started = time.perf_counter()
    figures, predicted, _ = train_and_evaluate(training, test, config)
    seconds = time.perf_counter() - started
    by_relevance, _, _ = train_and_evaluate(
        training, test, load_config({"holdout": holdout, "order_by": "relevance", "model.epochs": 1})
    )
    row = {
        "split": label,
        "rmse": figures["rmse"],
        "interval": figures["rmse_interval"],
        "baselines": figures["baselines"],
        "beyond_mean": _beyond_mean(predicted, config),
        "svd": _svd(training, test, config),
        "recall@10": figures["recall@10"],
        "ndcg@10": figures["ndcg@10"],
        "ndcg@10 by relevance": by_relevance["ndcg@10"],
        "popularity": {key: figures["lists"]["popularity"][key] for key in ("recall@10", "ndcg@10")},
        "chosen": figures["selection"]["model"]["chosen"],
        "relevance": figures["selection"]["relevance"],
        "seconds": seconds,
    }
    print(
        f"{label:<10} RMSE {row['rmse']:.4f}  SVD {row['svd']:.4f}  mean {row['baselines']['global_mean']:.4f}  "
        f"recall {row['recall@10']:.4f}  NDCG {row['ndcg@10 by relevance']:.4f}  {seconds:5.1f} s  {row['chosen']}",
        flush=True,
    )
    return row


def _beyond_mean(predicted: pd.DataFrame, config: Config) -> tuple[float, float] | None:
    """Bootstrap interval of how much higher our RMSE is than that of always guessing the mean."""
    bootstrap = Bootstrap(predicted[USER].to_numpy(), resamples=config.evaluation.resamples, seed=config.seed)
    squared = {
        name: (predicted[name].to_numpy(float) - predicted[RATING].to_numpy(float)) ** 2
        for name in (PREDICTED, "global_mean")
    }
    differences = bootstrap.rmse(squared[PREDICTED]) - bootstrap.rmse(squared["global_mean"])
    return interval(differences, config.evaluation.level)


def _svd(training: pd.DataFrame, test: pd.DataFrame, config: Config) -> float:
    """RMSE of SVD with the settings of its grid that serve best on our own validation parts."""
    folds = validation_folds(training, config)
    scale = (config.rating_min, config.rating_max)

    def squared(settings: dict[str, Any], fitted: pd.DataFrame, asked: pd.DataFrame) -> np.ndarray:
        data = Dataset.load_from_df(fitted[[USER, EXPERIENCE, RATING]], Reader(rating_scale=scale))
        model = SVD(random_state=config.seed, **settings).fit(data.build_full_trainset())
        ids = zip(asked[USER], asked[EXPERIENCE], strict=True)
        predicted = np.array([model.predict(user, experience).est for user, experience in ids])
        return (predicted - asked[RATING].to_numpy(float)) ** 2

    errors = [np.mean(np.concatenate([squared(settings, *fold) for fold in folds])) for settings in SVD_GRID]
    return float(np.sqrt(np.mean(squared(SVD_GRID[int(np.argmin(errors))], training, test))))


def _show(rows: list[dict[str, Any]]) -> None:
    random = [row for row in rows if row["split"].startswith("random")]
    chosen = [row for row in random if int(row["split"].split()[1]) in LIST_SPLITS]
    print(f"\n{'RMSE':<28}{'random':>9}{'time':>9}{'last':>9}")
    others = {row["split"]: row for row in rows if row not in random}

    def line(name: str, value: Any) -> None:
        cells = [np.mean([value(row) for row in random]), *(value(others[key]) for key in ("time", "last"))]
        print(f"{name:<28}" + "".join(f"{cell:>9.4f}" for cell in cells))

    line("this job, settings chosen", lambda row: row["rmse"])
    line("scikit-surprise SVD, tuned", lambda row: row["svd"])
    for name in random[0]["baselines"]:
        line(name, lambda row, name=name: row["baselines"][name])
    for row in others.values():
        print(f"{row['split']}: RMSE minus the global mean's, interval {row['beyond_mean']}")
    print(f"below SVD in {sum(row['rmse'] < row['svd'] for row in random)} of {len(random)} random splits")
    for part, group in (("random 5 to 9", chosen), ("last pairs", [others["last"]])):
        if group:
            means = {
                "recall@10": np.mean([row["recall@10"] for row in group]),
                "NDCG@10": np.mean([row["ndcg@10"] for row in group]),
                "NDCG@10 by relevance": np.mean([row["ndcg@10 by relevance"] for row in group]),
                "popularity recall@10": np.mean([row["popularity"]["recall@10"] for row in group]),
                "popularity NDCG@10": np.mean([row["popularity"]["ndcg@10"] for row in group]),
            }
            print(f"lists, {part}: " + ", ".join(f"{name} {value:.4f}" for name, value in means.items()))


if __name__ == "__main__":
    main()
