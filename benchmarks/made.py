"""Models and ratings of the shape that training leaves, for the scoring benchmarks, and processes of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recommender_job.ranking.ids import IdMap
from recommender_job.ranking.relevance import ALS_FACTORS, RelevanceModel
from recommender_job.ranking.trained import TrainedModel
from recommender_job.settings import ModelConfig

DIMENSION, HIDDEN, N = 32, (256, 64), 10
#: Ratings of a user.
EACH = 25
NOTHING = pd.DataFrame({"user_id": [], "experience_id": []}, dtype="int64")


def made_model(users: int, experiences: int, **changes: Any) -> TrainedModel:
    """A model with settings that differ from the benchmark's dense one by the changes."""
    random = np.random.default_rng(1)
    settings = ModelConfig(**{"embedding_dimension": DIMENSION, "hidden_layers": HIDDEN, **changes})

    def some(*shape: int) -> np.ndarray:
        return random.standard_normal(shape, dtype=np.float32) / 8

    weights = {
        "user_embedding": some(users + 1, DIMENSION),
        "experience_embedding": some(experiences + 1, DIMENSION),
        "user_bias": some(users + 1, 1),
        "experience_bias": some(experiences + 1, 1),
        "output_bias": np.array([3.5], np.float32),
    }
    if settings.dense:
        widths = (2 * DIMENSION, *HIDDEN)
        for place, (below, above) in enumerate(zip(widths, HIDDEN, strict=False)):
            weights |= {f"hidden_{place}_kernel": some(below, above), f"hidden_{place}_bias": some(above)}
        weights["output_kernel"] = some(HIDDEN[-1], 1)
    return TrainedModel(settings, IdMap(np.arange(users)), IdMap(np.arange(experiences)), weights)


def made_rated(users: int, experiences: int, each: int = EACH) -> pd.DataFrame:
    """So many ratings of each user, in no order."""
    random = np.random.default_rng(3)
    rated = {
        "user_id": np.repeat(np.arange(users), each),
        "experience_id": random.integers(0, experiences, users * each),
    }
    return pd.DataFrame(rated).sample(frac=1, random_state=1)


def made_relevance(users: int, experiences: int, *, factors: bool = False) -> RelevanceModel:
    """As EASE makes it, or ALS."""
    random = np.random.default_rng(2)
    rows = ALS_FACTORS if factors else experiences
    matrix = random.standard_normal((rows, experiences), dtype=np.float32)
    own = random.standard_normal((users + 1, rows), dtype=np.float32) if factors else None
    share = random.random(experiences, dtype=np.float32)
    return RelevanceModel(IdMap(np.arange(users)), IdMap(np.arange(experiences)), matrix, own, share, 0.1)
