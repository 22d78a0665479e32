"""Relevance: which experiences a user is likely to take up, learned from who rated what, whatever the rating.

A predicted rating says how much somebody would like an experience *if they took it*; people rate what they chose, so
sorting a catalogue by it is worse than drawing lots. Relevance decides what stands in a list.

    relevance = features of the user @ matrix + popularity weight * share of the users who rated the experience

EASE (Steck 2019, "Embarrassingly Shallow Autoencoders for Sparse Data"): the features are the user's own interactions
and the matrix is the ridge regression of every experience on all others, in closed form. ALS (Hu, Koren and Volinsky
2008, from the library `implicit`): both are factors. With neither, popularity alone is left.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

from recommender_job.ranking.encoded import Encoded, encoded
from recommender_job.ranking.ids import UNSEEN, IdMap
from recommender_job.ranking.recipe import RelevancePart
from recommender_job.storage.artifacts import RunFolder
from recommender_job.tables import EXPERIENCE, USER

#: Fewer experiences than that are inverted by one thread.
SMALL = 1_000
ALS_FACTORS = 64
ALS_ITERATIONS = 15
#: Interactions that are looked at together, about.
TOGETHER = 2**22
#: Confidence in an interaction, in zeros' worth.
ALS_ALPHA = 5.0
#: Popularity also breaks the ties of users of whom nothing else is known, however little weight it has.
TIE_BREAK = 1e-6


@dataclass(frozen=True)
class RelevanceModel:
    """Relevance of every trained experience to any user.

    Args:
        users: Ids of the rows of `factors`.
        experiences: Ids of the columns; `m` of them.
        matrix: float32 of shape [f, m].
        factors: float32 of shape [users + 1, f], row 0 zeros; None where the features are the user's own interactions
            and f is m.
        share: Share of the users who rated each experience, float32 of shape [m].
        popularity_weight: What the share is multiplied by before it is added to everybody's relevance.
    """

    users: IdMap
    experiences: IdMap
    matrix: NDArray[np.float32]
    factors: NDArray[np.float32] | None
    share: NDArray[np.float32]
    popularity_weight: float

    def features(self, users: NDArray[np.int64], rated: pd.DataFrame) -> Features:
        """What relevance knows of some users.

        Args:
            users: Ids, ascending, shape [n].
            rated: `user_id`, `experience_id`: what they have rated; rows of others do not matter.
        """
        if self.factors is not None:
            return Features(self.factors[self.users.encode(users)])
        if not len(self.matrix):
            return Features(np.zeros((len(users), 0), np.float32))
        return Features(interactions(rated, users, self.experiences))

    def columns(self, experiences: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Matrix [f, k] and weighted popularity [k] for some experiences; zeros for those not in training."""
        places = self.experiences.encode(experiences)
        unknown, columns = places == UNSEEN, np.maximum(places - 1, 0)
        matrix = np.take(self.matrix, columns, axis=1)  # C-contiguous, as products want it
        popularity = self.share[columns] * np.float32(max(self.popularity_weight, TIE_BREAK))
        matrix[:, unknown] = 0
        popularity[unknown] = 0
        return matrix, popularity

    def save(self, folder: RunFolder, name: str) -> None:
        """Writes `<name>/relevance.npz` into the run folder."""
        arrays: dict[str, NDArray[Any]] = {
            "user_ids": self.users.ids,
            "experience_ids": self.experiences.ids,
            "matrix": self.matrix,
            "share": self.share,
            "popularity_weight": np.array(self.popularity_weight),
        }
        folder.write_arrays(
            f"{name}/relevance.npz", arrays if self.factors is None else {**arrays, "factors": self.factors}
        )

    @classmethod
    def load(cls, folder: RunFolder, name: str) -> RelevanceModel:
        """Reads what `save` wrote.

        Raises:
            ArtifactBroken: The file is missing or damaged.
        """
        arrays = folder.read_arrays(f"{name}/relevance.npz")
        with folder.reading(f"{name}/relevance.npz"):
            users, experiences = IdMap(arrays["user_ids"]), IdMap(arrays["experience_ids"])
            weight = float(arrays["popularity_weight"])
            return cls(users, experiences, arrays["matrix"], arrays.get("factors"), arrays["share"], weight)


@dataclass(frozen=True)
class Features:
    """Features of users, of shape [n, f]."""

    rows: NDArray[np.float32] | sparse.csr_array

    def block(self, start: int, stop: int) -> NDArray[np.float32]:
        """Those of the users from `start` up to `stop`, dense."""
        part = self.rows[start:stop]
        return part if isinstance(part, np.ndarray) else part.toarray()


def train_relevance(ratings: pd.DataFrame | Encoded, part: RelevancePart, *, seed: int) -> RelevanceModel:
    """Learns relevance from who rated what.

    Args:
        ratings: `user_id`, `experience_id`, `rating`, each pair once; or what was made of them.
        part: Method and settings.
        seed: Where ALS starts. Same ratings, settings and seed: same model.
    """
    ratings = encoded(ratings)
    users, experiences = ratings.users, ratings.experiences
    share = ratings.experience_counts[1:].astype(np.float32) / np.float32(len(users))
    factors, matrix = None, np.zeros((0, len(experiences)), np.float32)
    if part.method == "ease":
        matrix = ease(_taken(ratings), len(experiences), part.l2, part.activity_power)
    elif part.method == "als":
        factors, matrix = _als(sparse.vstack(list(_taken(ratings)), format="csr"), part.l2, seed)
    return RelevanceModel(users, experiences, matrix, factors, share, part.popularity)


def interactions(rated: pd.DataFrame, users: NDArray[np.int64], experiences: IdMap) -> sparse.csr_array:
    """Ones where a user has rated an experience, float32 of shape [users, experiences].

    Args:
        rated: `user_id`, `experience_id`; those of other users and experiences do not matter.
        users: Ids of the rows, ascending.
        experiences: Ids of the columns.
    """
    rows, columns = IdMap(users).encode(rated[USER].to_numpy()), experiences.encode(rated[EXPERIENCE].to_numpy())
    inside = (rows != UNSEEN) & (columns != UNSEEN)
    ones = np.ones(np.count_nonzero(inside), np.float32)
    shape = (len(users), len(experiences))
    found = sparse.csr_array((ones, (rows[inside] - 1, columns[inside] - 1)), shape=shape)
    found.data[:] = 1  # a pair that repeats counts once
    return found


def ease(taken: Iterable[sparse.csr_array], experiences: int, l2: float, activity_power: float) -> NDArray[np.float32]:
    """EASE's matrix of experience on experience, in closed form; its diagonal is zero.

    Args:
        taken: Interactions of some users after others, shape [·, m] each.
        experiences: m.
        l2: Penalty, in interactions; where it is 0 and some experiences are always taken together, the least possible
            one is used.
        activity_power: A user with c interactions counts c ** -activity_power.

    Returns:
        float32 of shape [m, m]; column j is what speaks for experience j.
    """
    gram = np.zeros((experiences, experiences))
    for part in taken:
        activity = np.maximum(np.asarray(part.sum(axis=1)).ravel(), 1.0)
        weighted = sparse.csr_array(part * (activity ** (-activity_power / 2))[:, None])
        gram += (weighted.T @ weighted).toarray()
    diagonal = np.diag_indices(len(gram))
    gram[diagonal] += max(l2, 1e-3)
    # On small matrices, BLAS's threads lose more time to TensorFlow's than they save.
    with threadpool_limits(limits=1 if len(gram) < SMALL else None, user_api="blas"):
        inverse = np.linalg.inv(gram)
    matrix: NDArray[np.float64] = inverse / -np.diag(inverse)
    matrix[diagonal] = 0.0
    return np.asarray(matrix, np.float32)


def _taken(ratings: Encoded) -> Iterator[sparse.csr_array]:
    """Interactions of all users, some after others: so many that their ratings do not fill the memory."""
    parts = max(1, -(-len(ratings) // TOGETHER))
    bounds = np.linspace(0, len(ratings.users), parts + 1).astype(int)
    for start, stop in itertools.pairwise(bounds):
        places = []
        for part in ratings.parts():
            rows = ratings.user[part]
            places.append(part.start + np.flatnonzero((rows > start) & (rows <= stop)))
        place = np.concatenate(places)
        cells = (ratings.user[place] - 1 - start, ratings.experience[place] - 1)
        shape = (stop - start, len(ratings.experiences))
        yield sparse.csr_array((np.ones(len(place), np.float32), cells), shape=shape)


def _als(taken: sparse.csr_array, l2: float, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Factors of users, with a row of zeros for unseen ones in front, and of experiences."""
    from implicit.cpu.als import AlternatingLeastSquares

    # The library runs its own threads; BLAS with several would make the last bits depend on their number.
    with threadpool_limits(limits=1, user_api="blas"):
        model = AlternatingLeastSquares(
            factors=ALS_FACTORS, regularization=l2, alpha=ALS_ALPHA, iterations=ALS_ITERATIONS, random_state=seed
        )
        model.fit(sparse.csr_matrix(taken), show_progress=False)
    users = np.vstack([np.zeros((1, ALS_FACTORS), np.float32), model.user_factors])
    return users, np.ascontiguousarray(model.item_factors.T)
