"""What the report shows of the model: the gate's table, differences, slices, calibration."""

from __future__ import annotations

from typing import Any

import numpy as np

from recommender_job.config import Config
from recommender_job.errors import ArtifactBroken, StorageFailed
from recommender_job.evaluating.stage import PREDICTIONS
from recommender_job.reporting.drawing import Plot
from recommender_job.reporting.exposure import Exposure, spread
from recommender_job.reporting.model_plots import (
    calibration_plot,
    ratings_plot,
    rmse_plot,
    scores_plot,
    slices_plot,
)
from recommender_job.storage.artifacts import RunFolder
from recommender_job.tables import PREDICTED

_SLICES = (
    ("by_user_ratings", "Ratings of the user in training"),
    ("by_experience_ratings", "Ratings of the experience in training"),
    ("by_rating", "Rating given"),
)
_NAMED = {
    "known_users": "users seen in training",
    "unknown_users": "new users",
    "known_experiences": "experiences seen in training",
    "unknown_experiences": "new experiences",
}
_PAIRS = {"all": "all pairs", "known_users": "pairs of known users"}


def spoken(name: str) -> str:
    """The name of a predictor as people say it."""
    return name.replace("_", " ")


def gate_rows(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """RMSE, interval and MAE of the model, the champion and each naive predictor.

    Args:
        metrics: Summary of the evaluate stage.
    """
    intervals = metrics.get("other_intervals", {})
    same = metrics["champion_is"] == "same"
    own = {
        "name": "tonight's model (= champion)" if same else "tonight's model",
        "kind": "challenger",
        "interval": metrics["rmse_interval"],
        **{key: metrics[key] for key in ("rmse", "mae", "n")},
    }
    rows = [own]
    if metrics["champion"]:
        rows.append(
            {"name": "champion", "kind": "champion", "interval": intervals.get("champion"), **metrics["champion"]}
        )
    naive = [
        {
            "name": spoken(name),
            "kind": "naive",
            "rmse": rmse,
            "mae": metrics["baselines_mae"][name],
            "n": metrics["n"],
            "interval": intervals.get(name),
        }
        for name, rmse in metrics["baselines"].items()
    ]
    return rows + sorted(naive, key=lambda row: row["rmse"])


def model_section(
    config: Config, folder: RunFolder, metrics: dict[str, Any], exposure: Exposure | None
) -> dict[str, Any]:
    """Tables and plots of the model for the template.

    Args:
        config: The bound and the scale.
        folder: The run folder.
        metrics: Summary of the evaluate stage.
        exposure: Tonight's lists, where they are made.
    """
    rows = gate_rows(metrics)
    scale = (config.rating_min, config.rating_max)
    plots: dict[str, Plot] = {
        "rmse": rmse_plot(rows, config.gate.max_rmse),
        "calibration": calibration_plot(metrics["calibration"]),
    }
    for name, what in _SLICES:
        if metrics[name]:
            plots[name] = slices_plot(name, what, metrics[name], metrics["rmse"])
    notes = []
    try:
        with folder.reading(PREDICTIONS):
            held_out = folder.read_table(PREDICTIONS).column(PREDICTED).to_numpy()
            plots["scores"] = scores_plot(spread(held_out, scale), exposure.scores if exposure else None, scale)
    except (ArtifactBroken, StorageFailed) as error:
        notes.append(error.cause)
    return {
        "rows": rows,
        "level": config.evaluation.level,
        "differences": [
            {**found, "with": spoken(found["with"]), "on": _PAIRS[found["on"]]} for found in metrics["comparisons"]
        ],
        "lists": _list_rows(metrics["lists"]),
        "slices": [
            {"name": _NAMED[name], **figures} for name, figures in metrics["slices"].items() if figures["n"] > 0
        ],
        "plots": plots,
        "holdout": metrics["holdout"],
        "n": metrics["n"],
        "notes": notes,
    }


def _list_rows(lists: dict[str, Any]) -> dict[str, Any] | None:
    if lists["model"]["recall@10"] is None:
        return None
    names = {"model": "tonight's lists", "popularity": "the most rated experiences", "random": "drawn by lot"}
    rows = [
        {
            "name": label,
            **{
                key: lists[name].get(source)
                for key, source in (
                    ("recall", "recall@10"),
                    ("recall_interval", "recall@10_interval"),
                    ("ndcg", "ndcg@10"),
                    ("ndcg_interval", "ndcg@10_interval"),
                    ("coverage", "coverage"),
                    ("distinct", "distinct_lists"),
                )
            },
        }
        for name, label in names.items()
    ]
    return {"rows": rows, "users": lists["users_who_liked"]}


def ratings_section(clean: dict[str, Any], before: dict[str, Any] | None) -> Plot | None:
    """The distribution of tonight's ratings, beside the last accepted night's where that is known and of the same kind.

    Args:
        clean: Summary of the clean stage.
        before: `distribution` of the last accepted night.
    """
    tonight = clean["sanity"]["figures"]["distribution"]
    now = _shares(tonight)
    # Single values beside bins, or bins of another scale, have no labels in common.
    alike = before is not None and before.get("scale") == tonight.get("scale")
    return ratings_plot(now, _shares(before) if before and alike else None) if now else None


def _shares(distribution: dict[str, Any]) -> dict[str, float]:
    if "values" in distribution:
        return dict(distribution["values"])
    low, high = distribution["scale"]
    middles = np.linspace(low, high, 2 * len(distribution["bins"]) + 1)[1::2]
    return {f"{middle:.3g}": share for middle, share in zip(middles, distribution["bins"], strict=True)}
