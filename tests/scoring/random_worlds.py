"""Models of random weights, as training leaves them: sums of them are rounded, so that the way of adding up shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recommender_job.ranking.bias import BiasModel
from recommender_job.ranking.ids import IdMap
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.relevance import RelevanceModel
from recommender_job.ranking.trained import TrainedModel
from recommender_job.settings import ModelConfig

WIDTH = 12
#: Every term alone and together, with one, two and three hidden layers; the others with none.
KINDS: dict[str, dict[str, Any]] = {
    "everything": {"hidden_layers": (24, 8)},
    "three layers": {"hidden_layers": (17, 9, 5), "bias_terms": False, "dot_product": False},
    "one layer": {"hidden_layers": (20,), "unseen": "random"},
    "output layer": {"hidden_layers": (), "dot_product": False},
    "factors": {"dense": False},
    "factors without biases": {"dense": False, "bias_terms": False, "unseen": "random"},
    "biases": {"dense": False, "dot_product": False},
}


def network(kind: str, users: np.ndarray, experiences: np.ndarray, seed: int = 0, size: float = 1.0) -> TrainedModel:
    """A model of some kind, for users and experiences by their ids."""
    settings = ModelConfig(**{"embedding_dimension": WIDTH, **KINDS[kind]})
    random = np.random.default_rng(seed)

    def some(*shape: int, least: float = 0) -> np.ndarray:
        return max(size, least) * random.standard_normal(shape, dtype=np.float32)

    # Beside a bias of 3.5, tiny ratings would all be one; after tiny kernels, nothing but the next biases would count.
    weights = {
        "user_embedding": some(len(users) + 1, WIDTH),
        "experience_embedding": some(len(experiences) + 1, WIDTH),
        "output_bias": np.array([3.5 if size >= 1 else 0], np.float32),
    }
    if settings.bias_terms:
        weights |= {"user_bias": some(len(users) + 1, 1), "experience_bias": some(len(experiences) + 1, 1)}
    if settings.dense:
        below = 2 * WIDTH
        for place, units in enumerate(settings.hidden_layers):
            weights |= {f"hidden_{place}_kernel": some(below, units, least=1) / 3, f"hidden_{place}_bias": some(units)}
            below = units
        weights["output_kernel"] = some(below, 1, least=1) / 3
    return TrainedModel(settings, IdMap(users), IdMap(experiences), weights)


def predictor(kind: str, users: np.ndarray, experiences: np.ndarray, seed: int = 0) -> Predictor:
    """One network of some kind; `average`: all kinds and the bias model, with weights that round."""
    if kind != "average":
        return Predictor(((1.0, network(kind, users, experiences, seed)),))
    random = np.random.default_rng(seed)
    own, theirs = (np.concatenate([[0], random.standard_normal(len(ids))]) for ids in (users, experiences))
    networks = [(0.1, network(one, users, experiences, seed + place)) for place, one in enumerate(KINDS)]
    return Predictor(tuple(networks), (0.3, BiasModel(IdMap(users), IdMap(experiences), 3.6, own, theirs)))


def relevance(kind: str, users: np.ndarray, experiences: np.ndarray, seed: int = 0) -> RelevanceModel:
    """`interactions`, `factors` or `popularity`."""
    random = np.random.default_rng(seed)
    rows = {"interactions": len(experiences), "factors": 20, "popularity": 0}[kind]
    matrix = random.standard_normal((rows, len(experiences)), dtype=np.float32)
    factors = random.standard_normal((len(users) + 1, rows), dtype=np.float32) if kind == "factors" else None
    share = np.round(random.random(len(experiences), dtype=np.float32), 1)
    return RelevanceModel(IdMap(users), IdMap(experiences), matrix, factors, share, 0.3)


def rated(users: np.ndarray, experiences: np.ndarray, share: float = 0.2, seed: int = 0) -> pd.DataFrame:
    """A share of all pairs, in no order."""
    random = np.random.default_rng(seed)
    chosen = np.flatnonzero(random.random(len(users) * len(experiences)) < share)
    user, experience = np.divmod(random.permutation(chosen), len(experiences))
    return pd.DataFrame({"user_id": users[user], "experience_id": experiences[experience]}, dtype="int64")
