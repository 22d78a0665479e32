"""The predictor of ratings: a weighted average of ranking models and the bias model."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender_job.ranking.bias import BiasModel
from recommender_job.ranking.encoded import Encoded
from recommender_job.ranking.ids import IdMap
from recommender_job.ranking.recipe import Member, Recipe
from recommender_job.ranking.trained import TrainedModel
from recommender_job.ranking.trainer import Trainers
from recommender_job.ranking.training import fit
from recommender_job.storage.artifacts import RunFolder


@dataclasses.dataclass(frozen=True)
class Predictor:
    """Trained models and their weights.

    Args:
        networks: Ranking models, all trained on the same ratings, with the weight of each.
        bias: The bias model and its weight; None where it has no part.
        trained_as: The version before a user was erased from it; None where nobody was.
    """

    networks: tuple[tuple[float, TrainedModel], ...]
    bias: tuple[float, BiasModel] | None = None
    trained_as: str | None = None

    @property
    def version(self) -> str:
        """Twelve hexadecimal digits that change with any weight, id or setting; erasing a user keeps them."""
        if self.trained_as:
            return self.trained_as
        parts = [f"{weight!r} {network.version}" for weight, network in self.networks]
        if self.bias:
            weight, bias = self.bias
            parts.append(repr(weight))
            parts += [
                hashlib.sha256(np.ascontiguousarray(array).reshape(-1).data).hexdigest()
                for array in _bias_arrays(bias).values()
            ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]

    @property
    def users(self) -> IdMap:
        """The users it was trained on."""
        return self.networks[0][1].users if self.networks else self._only_bias().users

    @property
    def experiences(self) -> IdMap:
        """The experiences it was trained on."""
        return self.networks[0][1].experiences if self.networks else self._only_bias().experiences

    def predict(self, users: NDArray[np.int64], experiences: NDArray[np.int64]) -> NDArray[np.float32]:
        """Predicted ratings of pairs of ids, not clipped to the scale.

        Args:
            users: Ids, shape [n]; an id not seen in training is predicted as an unseen user.
            experiences: Ids, shape [n], likewise.

        Returns:
            float32 of shape [n].
        """
        total = np.zeros(len(users), np.float32)
        for weight, network in self.networks:
            total += np.float32(weight) * network.predict(users, experiences)
        if self.bias:
            total += (self.bias[0] * self.bias[1].predict(users, experiences)).astype(np.float32)
        return total

    def save(self, folder: RunFolder, name: str) -> None:
        """Writes the networks, the bias model and the weights into a folder of the run folder."""
        for place, (_, network) in enumerate(self.networks):
            network.save(folder, f"{name}/network-{place}")
        if self.bias:
            folder.write_arrays(f"{name}/bias.npz", _bias_arrays(self.bias[1]))
        weights = {"networks": [weight for weight, _ in self.networks], "bias": self.bias and self.bias[0]}
        folder.write_json(f"{name}/weights.json", weights)  # last: it says which of the others count

    @classmethod
    def load(cls, folder: RunFolder, name: str) -> Predictor:
        """Reads what `save` wrote.

        Raises:
            ArtifactBroken: A file is missing or damaged.
        """
        weights = folder.read_json(f"{name}/weights.json")
        bias = None
        with folder.reading(f"{name}/weights.json"):
            if weights["bias"] is not None:
                bias = (float(weights["bias"]), _bias_of(folder, f"{name}/bias.npz"))
            shares = [float(weight) for weight in weights["networks"]]
            given = [*shares, *([bias[0]] if bias else [])]
            if not given or not np.isfinite(given).all():
                raise ValueError("there are no weights, or they are not finite")
            version = weights.get("version")
        networks = (TrainedModel.load(folder, f"{name}/network-{place}") for place in range(len(shares)))
        return cls(tuple(zip(shares, networks, strict=True)), bias, version)

    @classmethod
    def keep_version(cls, folder: RunFolder, name: str) -> None:
        """Writes the version into a saved predictor, so that it stays the same when a user's rows are taken out.

        Everything that names the version goes on naming this predictor: summaries, lists, publications.

        Raises:
            ArtifactBroken: A file is missing or damaged.
        """
        version = cls.load(folder, name).version
        folder.write_json(f"{name}/weights.json", {**folder.read_json(f"{name}/weights.json"), "version": version})

    def _only_bias(self) -> BiasModel:
        if self.bias is None:
            raise ValueError("a predictor needs a network or the bias model")
        return self.bias[1]


def train_predictor(
    ratings: pd.DataFrame,
    recipe: Recipe,
    progress: Callable[[int, int], None] = lambda epoch, epochs: None,
    trainers: Trainers | None = None,
) -> tuple[Predictor, Recipe, dict[str, Any]]:
    """Trains what a recipe says. Same ratings and recipe: same predictor.

    Args:
        ratings: `user_id`, `experience_id`, `rating`; each pair once.
        recipe: What to train.
        progress: Called after each epoch with how many are done and the most there can be, of all networks.
        trainers: For the ids of the ratings, to use their graphs again.

    Returns:
        The predictor; the recipe with the epochs that were really trained, so that it can be followed again without
        stopping early; and `pairs`, `epochs` and `loss` of the first network.

    Raises:
        TrainingDiverged: A network's loss or weight is not finite.
    """
    trainers = trainers or Trainers(ratings)
    networks: list[tuple[float, TrainedModel]] = []
    members: list[Member] = []
    figures: list[dict[str, Any]] = []
    most = sum(member.settings.epochs for member in recipe.members)
    for place, member in enumerate(recipe.members):
        before = sum(earlier.settings.epochs for earlier in recipe.members[:place])
        network, fitted = fit(
            ratings,
            member.settings,
            seed=member.seed,
            trainers=trainers,
            progress=functools.partial(_told, progress, before, most),
        )
        settings = member.settings.model_copy(update={"epochs": fitted["epochs"], "validation_share": 0.0})
        members.append(member.model_copy(update={"settings": settings}))
        networks.append((member.weight, network))
        figures.append(fitted)
    bias = None
    if recipe.bias.weight:
        shrinkage = {name: getattr(recipe.bias, name) for name in ("user_shrinkage", "experience_shrinkage")}
        bias = (recipe.bias.weight, BiasModel.fit(Encoded.of(ratings, trainers.spill), **shrinkage))
    first = figures[0] if figures else {"epochs": 0, "loss": None, "pairs": len(ratings)}
    return Predictor(tuple(networks), bias), recipe.model_copy(update={"members": tuple(members)}), first


def _told(progress: Callable[[int, int], None], before: int, most: int, epoch: int, _: int) -> None:
    """Tells the progress of one network as that of all."""
    progress(before + epoch, most)


def _bias_arrays(bias: BiasModel) -> dict[str, NDArray[Any]]:
    return {
        "user_ids": bias.users.ids,
        "experience_ids": bias.experiences.ids,
        "mean": np.array(bias.mean),
        "user": bias.user,
        "experience": bias.experience,
    }


def _bias_of(folder: RunFolder, name: str) -> BiasModel:
    arrays = folder.read_arrays(name)
    with folder.reading(name):
        users, experiences = IdMap(arrays["user_ids"]), IdMap(arrays["experience_ids"])
        return BiasModel(users, experiences, float(arrays["mean"]), arrays["user"], arrays["experience"])
