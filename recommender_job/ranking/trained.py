"""A trained model as plain arrays: saved without pickle, rebuilt anywhere, named by what is in it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender_job.ranking.ids import IdMap
from recommender_job.settings import ModelConfig
from recommender_job.storage.artifacts import RunFolder

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class TrainedModel:
    """Weights, the ids they belong to, and the settings they were trained with.

    Args:
        settings: Which terms the model has.
        users: Ids of the user tables' rows; row 0 is the unseen user.
        experiences: Likewise.
        weights: float32 arrays by the names of `RankingModel.named_variables`.
    """

    settings: ModelConfig
    users: IdMap
    experiences: IdMap
    weights: Arrays

    @property
    def version(self) -> str:
        """Twelve hexadecimal digits that change with any weight, id or setting."""
        digest = hashlib.sha256(self.settings.model_dump_json().encode())
        for name, array in sorted(self._arrays().items()):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:12]

    def save(self, folder: RunFolder, name: str) -> None:
        """Writes `<name>/weights.npz` and `<name>/settings.json` into the run folder."""
        folder.write_arrays(f"{name}/weights.npz", self._arrays())
        folder.write_json(f"{name}/settings.json", self.settings.model_dump(mode="json"))

    @classmethod
    def load(cls, folder: RunFolder, name: str) -> TrainedModel:
        """Reads what `save` wrote.

        Raises:
            ArtifactBroken: A file is missing or damaged.
        """
        arrays = folder.read_arrays(f"{name}/weights.npz")
        with folder.reading(f"{name}/settings.json"):
            settings = ModelConfig(**folder.read_json(f"{name}/settings.json"))
        with folder.reading(f"{name}/weights.npz"):
            users, experiences = IdMap(arrays.pop("user_ids")), IdMap(arrays.pop("experience_ids"))
        return cls(settings, users, experiences, arrays)

    def predict(self, users: NDArray[np.int64], experiences: NDArray[np.int64]) -> NDArray[np.float32]:
        """Predicted ratings of pairs of ids, not clipped to the scale.

        Args:
            users: Ids, shape [n]; an id not seen in training is predicted as an unseen user.
            experiences: Ids, shape [n], likewise.

        Returns:
            float32 of shape [n].
        """
        from recommender_job.ranking.model import rebuild

        model = rebuild(self)
        # In slices, so that the hidden layers of a large holdout never stand in memory at once.
        slices = range(0, max(len(users), 1), 65_536)
        parts = [
            model(
                {
                    "user": self.users.encode(users[start : start + 65_536]),
                    "experience": self.experiences.encode(experiences[start : start + 65_536]),
                }
            ).numpy()
            for start in slices
        ]
        return np.concatenate(parts).astype(np.float32)

    def _arrays(self) -> Arrays:
        return {**self.weights, "user_ids": self.users.ids, "experience_ids": self.experiences.ids}
