"""Scores one shard: predicted ratings of its users for every eligible experience, and the best N of each user."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recommender_job.config import Config
from recommender_job.ranking.cards import failing_as_card
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.relevance import RelevanceModel
from recommender_job.scoring.lists import OnScores, configured, empty_lists
from recommender_job.scoring.parts import parts_of_shard
from recommender_job.scoring.plan import planned_experiences
from recommender_job.scoring.rules import Rules
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.checksum import Checksum
from recommender_job.tables import ALL_PREDICTIONS, EXPERIENCE


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
        `users`, `rows`, `pairs` of users and experiences, `model_version`, and the `checksum` of the lists, by which
        publishing knows that it reads what was written here.

    Raises:
        CardFailed: A graphics card is full, or failed.
        TrainingDiverged: A predicted rating or a relevance is not a finite number.
    """
    planned = planned_experiences(folder)
    experiences = planned[EXPERIENCE].to_numpy()
    rules = Rules.of(planned, config.rules.max_per_group)
    users, rows, written = 0, 0, Checksum()
    with failing_as_card(config.score_devices), contextlib.ExitStack() as stack:
        keep = None
        folder.remove(predictions_file(shard))  # of an earlier attempt, perhaps by another model
        if config.keep_all_predictions:
            keep = _writer(stack, folder, predictions_file(shard), experiences)
        maker = configured(
            config,
            predictor,
            relevance,
            experiences,
            n=config.top_n,
            on_scores=keep,
            rules=rules,
            predict=config.predict,
            devices=config.score_devices,
        )
        schema = pa.Schema.from_pandas(empty_lists(), preserve_index=False)
        write = stack.enter_context(folder.table_writer(lists_file(shard), schema))
        written.add(schema.empty_table())  # all there is where the last user of a shard was erased
        scratch = stack.enter_context(folder.scratch(f"score/parts-{shard:04d}"))
        for part in parts_of_shard(folder, shard, scratch):
            users += len(part.users)
            for lists in maker.lists(part.users, part.rated, part.opt_outs):
                table = pa.Table.from_pandas(lists, schema, preserve_index=False)
                write(table)
                written.add(table)
                rows += len(lists)
    return {
        "users": users,
        "rows": rows,
        "pairs": users * len(experiences),
        "model_version": predictor.version,
        "checksum": written.text,
    }


def _writer(stack: contextlib.ExitStack, folder: RunFolder, name: str, experiences: NDArray[np.int64]) -> OnScores:
    """Writes the predicted ratings of blocks of users into a file that is there when the stack ends well."""
    write = stack.enter_context(folder.table_writer(name, ALL_PREDICTIONS))

    def keep(block: NDArray[np.int64], scores: NDArray[np.float32]) -> None:
        columns = [np.repeat(block, len(experiences)), np.tile(experiences, len(block)), scores.ravel()]
        write(pa.table(columns, schema=ALL_PREDICTIONS))

    return keep
