"""Pairs of users and experiences, as keys: the place of the user times 2**32 plus that of the experience."""

from __future__ import annotations

import numpy as np

from recommender_job.scoring.compiled.compiler import Floats, Keys, Number, compiled


@compiled
def keys_of(users: Keys, experiences: Keys, user_places: Keys, lowest: Keys, experience_places: Keys) -> Keys:
    """Pairs as keys, place of the user times 2**32 plus that of the experience; those without a place are left away.

    Args:
        users: Ids, shape [n].
        experiences: Ids, shape [n].
        user_places: Places of the users from the lowest id on, -1 where there is none.
        lowest: The lowest id of users, and of experiences.
        experience_places: Places of the experiences, likewise.
    """
    keys = np.empty(len(users), np.int64)
    count: Number = 0
    above_users, above_experiences = np.uint64(len(user_places)), np.uint64(len(experience_places))
    for number in range(len(users)):
        # Without a sign, what lies before the lowest is far behind the last.
        user, experience = np.uint64(users[number] - lowest[0]), np.uint64(experiences[number] - lowest[1])
        if user < above_users and experience < above_experiences:
            key = user_places[user] << 32 | experience_places[experience]
            keys[np.uint64(count)] = key
            count += np.int64(key >= 0)
    return keys[:count]


@compiled
def by_user(keys: Keys, users: int) -> Keys:
    """The same keys in the order of their users, by counting; those of a user stay in the order in which they stand.

    Args:
        keys: Shape [n].
        users: Above all of their places.
    """
    ends, out = np.zeros(users + 1, np.int64), np.empty_like(keys)
    for key in keys:
        ends[np.uint64((key >> 32) + 1)] += 1
    for user in range(users):
        ends[user + 1] += ends[user]
    for key in keys:
        place = np.uint64(key >> 32)
        out[np.uint64(ends[place])] = key
        ends[place] += 1
    return out


@compiled
def leave_out(values: Floats, keys: Keys, users: Keys, first: int) -> None:
    """Writes -inf where users may not have an experience.

    Args:
        values: Shape [b, n]. Changed.
        keys: Place of the user times 2**32 plus that of the experience, ascending by user.
        users: Place of the user of each row, ascending, shape [b].
        first: Place of the experience of the first column.
    """
    place, above = 0, len(keys)
    while place < above:  # the first key that is not before all of the users
        middle = (place + above) >> 1
        before = keys[middle] >> 32 < users[0]
        place, above = (middle + 1 if before else place), (above if before else middle)
    for row in range(len(users)):
        while place < len(keys) and keys[place] >> 32 < users[row]:
            place += 1
        while place < len(keys) and keys[place] >> 32 == users[row]:
            column = (keys[place] & 0xFFFFFFFF) - first
            if 0 <= column < values.shape[1]:
                values[row, column] = -np.inf
            place += 1
