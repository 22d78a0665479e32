"""Predicted ratings of blocks of users: everything that is linear in a user as one product, hidden layers on top."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender_job.arrays import Floats
from recommender_job.ranking.predictor import Predictor
from recommender_job.scoring.card import CardNetwork, cards_of
from recommender_job.scoring.networks import Network, Shifts
from recommender_job.scoring.product import Product, length_bound
from recommender_job.settings import Devices


@dataclass(frozen=True)
class UserRows:
    """What the models know of some users.

    Args:
        linear: Shape [b, f].
        length: No row of `linear` is longer.
        shifts: For each model with hidden layers, those of b users.
    """

    linear: Floats
    length: float
    shifts: list[Shifts]

    def of(self, users: NDArray[np.int64]) -> UserRows:
        """Those of some of the users, by their places, ascending."""
        chosen = slice(users[0], users[-1] + 1) if users[-1] - users[0] < len(users) else users
        shifts = [[layer[chosen] for layer in shifts] for shifts in self.shifts]
        return UserRows(self.linear[chosen], self.length, shifts)


class PredictedRatings:
    """Predicted ratings of any user for a fixed set of experiences.

    Biases, dot products and output layers without hidden ones are linear in a user's row. Of all models together they
    are one product.

    Args:
        predictor: Predicts the ratings.
        experiences: Ids, ascending, shape [m].
        devices: What computes the hidden layers of every pair. What is linear is bound by memory, not by computing:
            it stays with the processor.
    """

    def __init__(self, predictor: Predictor, experiences: NDArray[np.int64], devices: Devices = "cpu") -> None:
        self._predictor = predictor
        self._networks: list[Network] = []
        has_layers = any(len(model.layers) > 1 for _, model in predictor.networks)
        cards = cards_of(devices) if has_layers else []
        columns, constant = [], np.zeros(len(experiences), np.float64)
        for weight, model in predictor.networks:
            vectors, bias = model.rows("experience", experiences)
            constant += weight * (bias + model.weights["output_bias"][0])
            if model.settings.dot_product:
                columns.append(vectors.T)
            if len(model.layers) > 1:
                network = CardNetwork(model, weight, vectors, cards) if cards else Network(model, weight, vectors)
                self._networks.append(network)
            elif model.layers:
                output = model.layers[0][0][vectors.shape[1] :, 0]
                constant += weight * (vectors * output).sum(axis=1)
        if predictor.bias:
            weight, model_of_bias = predictor.bias
            constant += weight * model_of_bias.experience[model_of_bias.experiences.encode(experiences)]
        last = np.stack([np.ones(len(experiences)), constant]).astype(np.float32)
        self._product = Product([*columns, last])
        self.group = self._product.group

    def rows(self, users: NDArray[np.int64]) -> UserRows:
        """What the models know of users, by their ids; those not seen in training are unseen users."""
        linear, shifts, constant = [], [], np.zeros(len(users), np.float64)
        networks = iter(self._networks)
        for weight, model in self._predictor.networks:
            own, bias = model.rows("user", users)
            constant += weight * bias
            if model.settings.dot_product:
                linear.append(np.float32(weight) * own)
            if len(model.layers) > 1:
                common, output = next(networks).shifts(own)
                shifts.append(common)
                constant += output
            elif model.layers:
                constant += weight * (own * model.layers[0][0][: own.shape[1], 0]).sum(axis=1)
        if self._predictor.bias:
            weight, model_of_bias = self._predictor.bias
            constant += weight * (model_of_bias.mean + model_of_bias.user[model_of_bias.users.encode(users)])
        last = np.stack([constant, np.ones(len(users))], axis=1).astype(np.float32)
        joined = np.concatenate([*linear, last], axis=1)
        return UserRows(joined, length_bound(joined), shifts)

    def every(self, rows: UserRows, out: Floats, first: int = 0) -> bool:
        """Writes the ratings of every pair of the experiences from `first` on, not clipped.

        Args:
            rows: Of b users.
            out: Shape [b, n].
            first: Place of the first experience; counted from elsewhere, the last bits may differ.

        Returns:
            Whether what is written is finite for certain.
        """
        for place, (network, shifts) in enumerate(zip(self._networks, rows.shifts, strict=True)):
            network.every(shifts, out, first, add=place > 0)
        self._product.into(rows.linear, out, first, add=bool(self._networks))
        return not self._networks and self._product.surely_finite(rows.length)

    def some(self, rows: UserRows, places: NDArray[np.int64], there: NDArray[np.bool_]) -> Floats:
        """The ratings of some pairs of each user, computed for each user alone.

        They may differ from those of `every` in the last bits, and depend on nothing but the user and the places.

        Args:
            rows: Of b users.
            places: Places of the experiences, shape [b, k].
            there: Which of them are asked for, shape [b, k].

        Returns:
            Shape [b, k], not clipped; 0 where none is asked for.
        """
        found = self._product.some(rows.linear, places)
        for network, shifts in zip(self._networks, rows.shifts, strict=True):
            network.add_some(shifts, places, found)
        found[~there] = 0
        return found
