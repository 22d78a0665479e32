"""The stage evaluate: files in, files out, around the functions that work the figures out."""

from __future__ import annotations

from typing import Any

from recommender_job.config import Config
from recommender_job.evaluating.list_figures import list_figures
from recommender_job.evaluating.rating_figures import rating_figures
from recommender_job.ranking.inputs import evaluation_parts
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.relevance import RelevanceModel
from recommender_job.storage.artifacts import RunFolder

PREDICTIONS = "evaluate/predictions.parquet"
LISTS = "evaluate/lists.parquet"


def evaluate(config: Config, folder: RunFolder, challenger: str, champion: str) -> dict[str, Any]:
    """Evaluates the challenger, and the champion where one was trained, and keeps every prediction and list.

    Args:
        config: Settings.
        folder: The run folder.
        challenger: Name of the challenger in it.
        champion: Name of the champion in it.

    Returns:
        What `rating_figures` returns, and `lists` as `list_figures` returns them; `holdout`; `selection`, the train
        stage's report; `champion_is`: the train stage's `champion`; `model_version` of the challenger.
    """
    with evaluation_parts(config, folder) as (training, holdout):
        trained = folder.summary("train")
        predictor, relevance = Predictor.load(folder, challenger), RelevanceModel.load(folder, challenger)
        other = Predictor.load(folder, champion) if trained["champion"] == "trained" else None
        figures, predictions = rating_figures(predictor, training, holdout, config, other)
        lists, kept = list_figures(predictor, relevance, training, holdout, config)
    folder.write_table(PREDICTIONS, predictions)
    folder.write_table(LISTS, kept)
    return {
        **figures,
        "lists": lists,
        "holdout": config.holdout,
        "champion_is": trained["champion"],
        "model_version": predictor.version,
        "selection": trained["selection"],
    }
