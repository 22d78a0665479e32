"""Lists and what they are held to, written down briefly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recommender_job.publishing.checks import Contract

EXPERIENCES = np.array([10, 20, 30, 40])


def frame(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    """A frame of `tables.LISTS`."""
    kinds = {"user_id": "int64", "rank": "int16", "experience_id": "int64", "predicted_rating": "float32"}
    return pd.DataFrame(rows, columns=list(kinds)).astype(kinds)


def contract(
    group: Any = range(4), pins: Any = (), cap: int | None = None, n: int = 2, ids: Any = EXPERIENCES
) -> Contract:
    """The contract of lists of two; each experience is a group of its own and none is pinned, unless it is said."""
    pin = {one: place for place, one in enumerate(pins, 1)}
    planned = pd.DataFrame({"experience_id": ids, "group": group})
    return Contract(planned.assign(pin=planned["experience_id"].map(pin)), n, (1.0, 5.0), cap)
