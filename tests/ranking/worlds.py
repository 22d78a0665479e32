"""Planted worlds: ratings of the same users and experiences whose cause is known."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from recommender_job.config import Config, load_config

USERS, EXPERIENCES = 40, 20


def ratings(users: np.ndarray, experiences: np.ndarray, values: np.ndarray) -> pd.DataFrame:
    """A frame of ratings, one a minute, in the given order."""
    minutes = pd.to_timedelta(np.arange(len(users)), unit="min")
    return pd.DataFrame(
        {
            "user_id": np.asarray(users, np.int64),
            "experience_id": np.asarray(experiences, np.int64),
            "rating": np.asarray(values, np.float32),
            "rated_at": (pd.Timestamp("2023-01-01", tz="UTC") + minutes).astype("datetime64[us, UTC]"),
        }
    )


def world(rate: Callable[[np.ndarray, np.ndarray], np.ndarray], share: float = 0.7, seed: int = 0) -> pd.DataFrame:
    """A share of all pairs in random order; users count from 100, experiences from 500, `rate` is given both from 0."""
    pairs = np.random.default_rng(seed).permutation(USERS * EXPERIENCES)[: int(USERS * EXPERIENCES * share)]
    users, experiences = pairs // EXPERIENCES, pairs % EXPERIENCES
    return ratings(users + 100, experiences + 500, rate(users, experiences))


def biases() -> pd.DataFrame:
    """Some users rate everything higher, some experiences are rated higher by everybody, and nothing else."""
    random = np.random.default_rng(1)
    user, experience = random.normal(0, 0.5, USERS), random.normal(0, 0.7, EXPERIENCES)
    return world(lambda u, e: np.clip(3 + user[u] + experience[e], 1, 5))


def tastes() -> pd.DataFrame:
    """Even users love even experiences and hate odd ones; odd users the other way round."""
    return world(lambda u, e: np.where((u + e) % 2 == 0, 5.0, 1.0))


def noise() -> pd.DataFrame:
    """Ratings that nothing explains."""
    return world(lambda u, e: np.random.default_rng(2).integers(1, 6, len(u)))


def clusters(users: int = 100, groups: int = 4, size: int = 10, take: int = 5) -> pd.DataFrame:
    """Users take some experiences of their own group and none of the others; all are as popular as each other."""
    random = np.random.default_rng(0)
    taken = np.concatenate([u % groups * size + random.permutation(size)[:take] for u in range(users)])
    order = random.permutation(len(taken))
    return ratings(np.repeat(np.arange(users), take)[order] + 1, taken[order] + 1, np.full(len(taken), 5))


def popularity(users: int = 150, experiences: int = 60, take: int = 6) -> pd.DataFrame:
    """Users draw from the same lot, in which some experiences lie more often than others."""
    random = np.random.default_rng(0)
    chance = 1 / np.arange(1, experiences + 1)
    draws = [random.choice(experiences, take, replace=False, p=chance / chance.sum()) for _ in range(users)]
    taken, order = np.concatenate(draws), random.permutation(users * take)
    return ratings(np.repeat(np.arange(users), take)[order] + 1, taken[order] + 1, np.full(len(taken), 5))


def as_pairs(frame: pd.DataFrame) -> set[tuple[int, int]]:
    """The pairs of a frame."""
    return set(zip(frame["user_id"].tolist(), frame["experience_id"].tolist(), strict=True))


#: Settings of the three planted worlds: nothing but the mean, nothing but biases, nothing but vectors.
SMALL: dict[str, Any] = {
    "dense": False,
    "hidden_layers": [],
    "embedding_dimension": 4,
    "batch_size": 64,
    "learning_rate": 0.05,
    "epochs": 16,
}
CANDIDATES: dict[str, dict[str, Any]] = {
    "flat": {**SMALL, "dot_product": False, "l2_bias": 10.0},
    "biases": {**SMALL, "dot_product": False, "l2_bias": 0.01},
    "factors": {**SMALL, "bias_terms": False, "embedding_init": 0.3, "l2_embedding": 0.02},
}


#: And others that are nearly as good as each of them.
TWINS: dict[str, dict[str, Any]] = {
    **CANDIDATES,
    "flat_too": {**CANDIDATES["flat"], "l2_bias": 20.0},
    "biases_too": {**CANDIDATES["biases"], "l2_bias": 0.02},
    "factors_too": {**CANDIDATES["factors"], "l2_embedding": 0.03},
}


def choosing(candidates: dict[str, dict[str, Any]] = CANDIDATES, **changes: Any) -> Config:
    """Settings that choose among candidates on random pairs; the defaults may change without a test noticing."""
    named = {name: {"model": model} for name, model in candidates.items()}
    selection = {"folds": 2, "close": 0.015, "max_networks": 5, "network_pairs": 10**6}
    pinned = {f"selection.{name}": value for name, value in selection.items()}
    return load_config({**pinned, "selection.candidates": named, "holdout": "random", **changes})


def without_seconds(report: dict[str, Any]) -> dict[str, Any]:
    """A report without what depends on the machine."""
    kept = {name: value for name, value in report.items() if name != "seconds"}
    return {name: without_seconds(value) if isinstance(value, dict) else value for name, value in kept.items()}


def ticking() -> Callable[[], float]:
    """A clock on which every look takes a second."""
    return itertools.count().__next__
