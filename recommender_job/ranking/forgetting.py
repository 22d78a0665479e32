"""Takes a user out of saved models. What is predicted for all others stays the same to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender_job.ranking.ids import UNSEEN, IdMap

#: Arrays with a row for each user, after the row of unseen ones; by the file that holds them.
USER_ROWS = {
    "weights.npz": ("user_embedding", "user_bias"),
    "bias.npz": ("user",),
    "relevance.npz": ("factors",),
}


def without_user(file: str, arrays: dict[str, NDArray[Any]], user_id: int) -> dict[str, NDArray[Any]] | None:
    """The arrays of a saved model without a user's id and row; to that model the user is an unseen one from then on.

    Args:
        file: A name of `USER_ROWS`.
        arrays: What the file holds.
        user_id: Whom to take out.

    Returns:
        New arrays; None where the user is not in them.
    """
    place = int(IdMap(arrays["user_ids"]).encode(np.array([user_id], np.int64))[0])
    if place == UNSEEN:
        return None
    kept = {name: np.delete(arrays[name], place, axis=0) for name in USER_ROWS[file] if name in arrays}
    return {**arrays, **kept, "user_ids": np.delete(arrays["user_ids"], place - 1)}
