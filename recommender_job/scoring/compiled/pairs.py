"""Pairs of users and experiences: as keys, and then by user, as `taken.Taken` has them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recommender_job.arrays import Floats
from recommender_job.scoring.compiled.compiler import Keys, Number, compiled


@compiled
def keys_of(users: Keys, experiences: Keys, user_places: Keys, lowest: Keys, experience_places: Keys) -> Keys:
    """Pairs as keys: place of the user times 2**32 plus that of the experience; those without a place are left away.

    Args:
        users: Ids, shape [n].
        experiences: Ids, shape [n].
        user_places: Places of the users from the lowest id on, -1 where there is none.
        lowest: The lowest id of users, and of experiences.
        experience_places: Places of the experiences, likewise.
    """
    keys = np.empty(len(users), np.int64)
    found: Number = 0
    above_users, above_experiences = np.uint64(len(user_places)), np.uint64(len(experience_places))
    for number in range(len(users)):
        # Without a sign, what lies before the lowest is far behind the last.
        user, experience = np.uint64(users[number] - lowest[0]), np.uint64(experiences[number] - lowest[1])
        if user < above_users and experience < above_experiences:
            key = user_places[user] << 32 | experience_places[experience]
            keys[np.uint64(found)] = key
            found += np.int64(key >= 0)
    return keys[:found]


@compiled
def count(keys: Keys, counts: Keys) -> None:
    """Adds to the number of pairs of each user.

    Args:
        keys: As `keys_of` makes them, shape [n].
        counts: Shape [users]. Changed.
    """
    for key in keys:
        counts[np.uint64(key >> 32)] += 1


@compiled
def put(keys: Keys, places: Keys, out: NDArray[np.int32]) -> None:
    """Writes the experience of each pair at the next place of its user.

    Args:
        keys: As `keys_of` makes them, shape [n].
        places: The next place of each user, shape [users]. Changed.
        out: Written; as many as there are pairs of all users.
    """
    for key in keys:
        user = np.uint64(key >> 32)
        out[np.uint64(places[user])] = np.int32(key & 0xFFFFFFFF)
        places[user] += 1


@compiled
def leave_out(values: Floats, begins: Keys, experiences: NDArray[np.int32], users: Keys, first: int) -> None:
    """Writes -inf where users may not have an experience.

    Args:
        values: Shape [b, n]. Changed.
        begins: As `taken.Taken` has them.
        experiences: Likewise.
        users: Place of the user of each row, shape [b].
        first: Place of the experience of the first column.
    """
    for row in range(len(users)):
        for pair in range(begins[users[row]], begins[users[row] + 1]):
            column = experiences[pair] - first
            if 0 <= column < values.shape[1]:
                values[row, column] = -np.inf
