"""A trained model as plain arrays: saved without pickle, rebuilt anywhere, named by what is in it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recommender_job.arrays import Floats
from recommender_job.ranking.ids import UNSEEN, IdMap
from recommender_job.settings import ModelConfig
from recommender_job.storage.artifacts import RunFolder

Arrays = dict[str, NDArray[Any]]

#: Pairs predicted at once.
SLICE = 16_384


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
            digest.update(np.ascontiguousarray(array).reshape(-1).data)
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
        # In slices, so that the hidden layers of a large holdout never stand in memory at once; in one thread, so that
        # the last bits do not depend on how many there are.
        with threadpool_limits(1, user_api="blas"), np.errstate(over="ignore", invalid="ignore"):
            parts = [
                self._predicted(users[start : start + SLICE], experiences[start : start + SLICE])
                for start in range(0, max(len(users), 1), SLICE)
            ]
        return np.concatenate(parts)

    def rows(self, side: Literal["user", "experience"], ids: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Vectors [n, d] and biases [n] of ids, as `unseen` says for those not seen in training."""
        indexes = (self.users if side == "user" else self.experiences).encode(ids)
        vectors = self.weights[f"{side}_embedding"][indexes]
        bias = np.zeros(len(ids), np.float32)
        if self.settings.bias_terms:
            bias = self.weights[f"{side}_bias"][indexes, 0]
        if self.settings.unseen == "zero":
            known = (indexes != UNSEEN).astype(np.float32)
            vectors, bias = vectors * known[:, None], bias * known
        return vectors, bias

    @property
    def layers(self) -> list[tuple[Floats, Floats]]:
        """Kernel and bias of each dense layer, the output layer last; its bias, `output_bias`, stands apart."""
        if not self.settings.dense:
            return []
        names = [f"hidden_{i}" for i in range(len(self.settings.hidden_layers))]
        hidden = [(self.weights[f"{name}_kernel"], self.weights[f"{name}_bias"]) for name in names]
        return [*hidden, (self.weights["output_kernel"], np.zeros(1, np.float32))]

    def _predicted(self, users: NDArray[np.int64], experiences: NDArray[np.int64]) -> Floats:
        user, user_bias = self.rows("user", users)
        experience, experience_bias = self.rows("experience", experiences)
        rating = self.weights["output_bias"][0] + user_bias + experience_bias
        if self.settings.dot_product:
            rating += np.einsum("nd,nd->n", user, experience)
        if self.layers:
            *hidden, (output, _) = self.layers
            values = np.concatenate([user, experience], axis=1)
            for kernel, bias in hidden:
                values = np.maximum(values @ kernel + bias, 0)
            rating += (values @ output)[:, 0]
        return np.asarray(rating, np.float32)

    def _arrays(self) -> Arrays:
        return {**self.weights, "user_ids": self.users.ids, "experience_ids": self.experiences.ids}
