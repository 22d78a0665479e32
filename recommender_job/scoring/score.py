"""Scores one shard: predicted ratings of its users for every eligible experience, and the best N of each user."""

from __future__ import annotations

from typing import Any

from recommender_job.config import Config
from recommender_job.ranking.trained import TrainedModel
from recommender_job.ratings.clean import CLEAN
from recommender_job.scoring.lists import top_lists
from recommender_job.scoring.plan import PLANNED_EXPERIENCES, users_of_shard
from recommender_job.storage.artifacts import RunFolder
from recommender_job.tables import EXPERIENCE, USER


def lists_file(shard: int) -> str:
    """Where a shard's lists lie in the run folder."""
    return f"score/lists-{shard:04d}.parquet"


def score(config: Config, folder: RunFolder, shard: int, model: TrainedModel) -> dict[str, Any]:
    """Writes the lists of one shard.

    Returns:
        `users`, `rows`, `pairs` scored, and `model_version`.
    """
    users = users_of_shard(folder, shard)
    experiences = folder.read_frame(PLANNED_EXPERIENCES)[EXPERIENCE].to_numpy()
    lists = top_lists(
        model,
        users,
        experiences,
        folder.read_frame(CLEAN)[[USER, EXPERIENCE]],
        n=config.top_n,
        scale=(config.rating_min, config.rating_max),
        block_pairs=config.block_pairs,
    )
    folder.write_table(lists_file(shard), lists)
    return {
        "users": len(users),
        "rows": len(lists),
        "pairs": len(users) * len(experiences),
        "model_version": model.version,
    }
