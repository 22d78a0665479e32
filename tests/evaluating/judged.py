"""Figures of a night as the gate is given them, each to be changed where a test needs it."""

from __future__ import annotations

from typing import Any

from recommender_job.settings import GateConfig

GATE = GateConfig(max_rmse=0.9)


def compared(**changes: Any) -> dict[str, Any]:
    """A comparison that the challenger loses by far."""
    found = {
        "on": "all", "users": 400, "with": "user_mean", "n": 1234, "rmse": 0.85, "other_rmse": 0.8, "difference": 0.05,
        "interval": (0.04, 0.06), "chance": 0.001,
    }  # fmt: skip
    return {**found, **changes}


def lists(**changes: Any) -> dict[str, Any]:
    """Figures of lists that pass."""
    model = {
        "recall@10": 0.5, "ndcg@10": 0.3, "distinct_lists": 0.9, "exposure": 0.4, "personal_lists": 0.8,
        "lists_compared": 100,
    }  # fmt: skip
    popularity = {"recall@10": 0.48, "ndcg@10": 0.28, "distinct_lists": 0.3, "exposure": 0.7}
    random = {"recall@10": 0.04, "ndcg@10": 0.02}
    figures: dict[str, Any] = {
        "users": 1000, "users_without_list": 0, "users_who_liked": 900, "below_popularity": 1.0,
        "model": model, "popularity": popularity, "random": random,
    }  # fmt: skip
    for name, value in changes.items():
        side, _, key = name.rpartition("__")
        (figures[side] if side else figures)[key.replace("_at_", "@")] = value
    return figures


def metrics(*comparisons: dict[str, Any], **changes: Any) -> dict[str, Any]:
    found = {
        "rmse": 0.85, "rmse_interval": (0.8, 0.9), "mae": 0.5, "n": 1234, "comparisons": list(comparisons),
        "baselines": {"global_mean": 0.9, "user_mean": 0.8}, "champion": None, "champion_is": "none", "lists": lists(),
    }  # fmt: skip
    return {**found, **changes}
