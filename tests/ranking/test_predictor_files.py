"""The files of a predictor: read back to the bit, named by what is in them, and never read when damaged."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recommender_job.errors import ArtifactBroken
from recommender_job.ranking.bias import BiasModel
from recommender_job.ranking.ids import IdMap
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.trained import TrainedModel
from recommender_job.storage.artifacts import RunFolder

Models = Callable[..., TrainedModel]
Biases = Callable[..., BiasModel]


@pytest.fixture
def predictor(by_hand: Models, bias_by_hand: Biases) -> Predictor:
    return Predictor(((0.1, by_hand()), (0.7, by_hand(dense=False, epochs=7))), (0.2, bias_by_hand()))


def changed(array: np.ndarray, place: tuple[int, ...]) -> np.ndarray:
    other = array.copy()
    other[place] = np.nextafter(other[place], array.dtype.type(100))
    return other


def test_what_is_loaded_is_what_was_saved(predictor: Predictor, folder: RunFolder) -> None:
    predictor.save(folder, "train/challenger")
    loaded = Predictor.load(folder, "train/challenger")
    assert loaded.version == predictor.version
    assert [weight for weight, _ in loaded.networks] == [0.1, 0.7]
    assert [model.settings for _, model in loaded.networks] == [model.settings for _, model in predictor.networks]
    assert loaded.bias
    assert loaded.bias[0] == 0.2
    users, experiences = np.array([10, 20, 99]), np.array([9, 7, 7])
    np.testing.assert_array_equal(loaded.predict(users, experiences), predictor.predict(users, experiences))


def test_without_the_bias_model_and_without_networks(by_hand: Models, bias_by_hand: Biases, folder: RunFolder) -> None:
    for name, predictor in (
        ("network", Predictor(((1.0, by_hand()),))),
        ("bias", Predictor((), (1.0, bias_by_hand()))),
    ):
        predictor.save(folder, name)
        loaded = Predictor.load(folder, name)
        assert loaded.version == predictor.version
        assert (loaded.bias is None) == (predictor.bias is None)
        assert len(loaded.networks) == len(predictor.networks)


def test_what_an_earlier_predictor_left_in_the_folder_does_not_count(
    predictor: Predictor, by_hand: Models, folder: RunFolder
) -> None:
    predictor.save(folder, "model")
    smaller = Predictor(((1.0, by_hand()),))
    smaller.save(folder, "model")
    assert Predictor.load(folder, "model").version == smaller.version


def test_version_changes_with_any_weight_id_or_setting(predictor: Predictor, bias_by_hand: Biases) -> None:
    (first, one), (second, two) = predictor.networks
    assert predictor.bias
    share, bias = predictor.bias
    versions = [predictor.version]

    def note(networks: Any = predictor.networks, with_bias: Any = predictor.bias) -> None:
        versions.append(Predictor(tuple(networks), with_bias).version)

    for name, values in one.weights.items():
        for place in np.ndindex(values.shape):
            weights = {**one.weights, name: changed(values, place)}
            note([(first, dataclasses.replace(one, weights=weights)), (second, two)])
    for place in range(3):
        note(with_bias=(share, dataclasses.replace(bias, user=changed(bias.user, (place,)))))
        note(with_bias=(share, dataclasses.replace(bias, experience=changed(bias.experience, (place,)))))
    note(with_bias=(share, dataclasses.replace(bias, mean=float(np.nextafter(bias.mean, 9)))))
    note(with_bias=(share, dataclasses.replace(bias, users=IdMap(np.array([10, 21])))))
    note(with_bias=(share, dataclasses.replace(bias, experiences=IdMap(np.array([7, 8])))))
    note(with_bias=(float(np.nextafter(share, 1)), bias))
    note(with_bias=None)
    note([(float(np.nextafter(first, 1)), one), (second, two)])
    note([(first, one), (second, dataclasses.replace(two, settings=one.settings))])
    note([(first, two), (second, one)])
    note([(first, one)])
    note([])
    assert len(set(versions)) == len(versions)
    assert Predictor(predictor.networks, (share, bias_by_hand())).version == predictor.version
    assert len(predictor.version) == 12
    int(predictor.version, 16)


FILES = ["weights.json", "bias.npz", "network-0/weights.npz", "network-1/settings.json"]


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_told(predictor: Predictor, folder: RunFolder, name: str) -> None:
    predictor.save(folder, "model")
    Path(folder.url(f"model/{name}")).unlink()
    with pytest.raises(ArtifactBroken, match=f"{name} is not there"):
        Predictor.load(folder, "model")


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_short_is_told(predictor: Predictor, folder: RunFolder, name: str) -> None:
    predictor.save(folder, "model")
    file = Path(folder.url(f"model/{name}"))
    whole = file.read_bytes()
    for length in range(0, len(whole), 61):
        file.write_bytes(whole[:length])
        with pytest.raises(ArtifactBroken, match="is damaged"):
            Predictor.load(folder, "model")


def test_a_flipped_bit_in_the_biases_is_told_or_harmless(predictor: Predictor, folder: RunFolder) -> None:
    predictor.save(folder, "model")
    file = Path(folder.url("model/bias.npz"))
    whole = file.read_bytes()
    told = 0
    for place in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        file.write_bytes(damaged)
        try:
            assert Predictor.load(folder, "model").version == predictor.version
        except ArtifactBroken:
            told += 1
    assert told > len(whole) / 6


@pytest.mark.parametrize(
    "weights",
    [
        {},
        {"networks": [0.5, 0.5]},
        {"bias": 0.2},
        {"networks": None, "bias": 0.2},
        {"networks": ["much"], "bias": None},
        {"networks": [[0.5]], "bias": None},
        {"networks": [0.1, 0.7], "bias": "a little"},
        {"networks": [0.1, 0.7, 0.2], "bias": None},
        {"networks": [], "bias": None},
        {"networks": [0.1, 0.7], "bias": float("nan")},
    ],
)
def test_weights_that_are_none_are_told(predictor: Predictor, folder: RunFolder, weights: dict[str, Any]) -> None:
    predictor.save(folder, "model")
    folder.write_json("model/weights.json", weights)
    with pytest.raises(ArtifactBroken) as caught:
        Predictor.load(folder, "model")
    assert "Clear the stage" in caught.value.action


def test_biases_without_their_ids_are_told(predictor: Predictor, folder: RunFolder) -> None:
    predictor.save(folder, "model")
    arrays = folder.read_arrays("model/bias.npz")
    for name in arrays:
        folder.write_arrays("model/bias.npz", {key: values for key, values in arrays.items() if key != name})
        with pytest.raises(ArtifactBroken, match="is damaged"):
            Predictor.load(folder, "model")
