"""Scores one shard: predicted ratings of its users for every eligible experience, and the best N of each user."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recommender_job.config import Config
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.relevance import RelevanceModel
from recommender_job.ratings.clean import CLEAN
from recommender_job.scoring.lists import configured_lists
from recommender_job.scoring.plan import PLANNED_OPT_OUTS, planned_experiences, users_of_shard
from recommender_job.scoring.rules import Rules
from recommender_job.storage.artifacts import RunFolder
from recommender_job.tables import ALL_PREDICTIONS, EXPERIENCE, USER


def lists_file(shard: int) -> str:
    """Where a shard's lists lie in the run folder."""
    return f"score/lists-{shard:04d}.parquet"


def predictions_file(shard: int) -> str:
    """Where a shard's predicted ratings of every pair lie, with `keep_all_predictions`."""
    return f"score/predictions-{shard:04d}.parquet"


def score(
    config: Config, folder: RunFolder, shard: int, predictor: Predictor, relevance: RelevanceModel
) -> dict[str, Any]:
    """Writes the lists of one shard and, with `keep_all_predictions`, the predicted rating of each of its pairs.

    Returns:
        `users`, `rows`, `pairs` scored, and `model_version`.
    """
    users = users_of_shard(folder, shard)
    planned = planned_experiences(folder)
    experiences = planned[EXPERIENCE].to_numpy()
    opt_outs = folder.read_frame(PLANNED_OPT_OUTS)
    opt_outs = opt_outs[opt_outs[USER].isin(users)]
    rules = Rules.of(planned, opt_outs, config.rules.max_per_group)
    rated = folder.read_frame(CLEAN)[[USER, EXPERIENCE]]
    rated = rated[rated[USER].isin(users)]
    with contextlib.ExitStack() as stack:
        keep = None
        folder.remove(predictions_file(shard))  # of an earlier attempt, perhaps by another model
        if config.keep_all_predictions:
            write = stack.enter_context(folder.table_writer(predictions_file(shard), ALL_PREDICTIONS))

            def keep(block: NDArray[np.int64], scores: NDArray[np.float32]) -> None:
                columns = [np.repeat(block, len(experiences)), np.tile(experiences, len(block)), scores.ravel()]
                write(pa.table(columns, schema=ALL_PREDICTIONS))

        lists = configured_lists(
            config, predictor, relevance, users, experiences, rated, n=config.top_n, on_scores=keep, rules=rules
        )
    folder.write_table(lists_file(shard), lists)
    return {
        "users": len(users),
        "rows": len(lists),
        "pairs": len(users) * len(experiences),
        "model_version": predictor.version,
    }
