"""Trained models: saved without pickle, rebuilt to the bit, named by what is in them, served by TensorFlow."""

from __future__ import annotations

import dataclasses
import itertools
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recommender_job.errors import ArtifactBroken
from recommender_job.ranking.ids import IdMap
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.trained import TrainedModel
from recommender_job.settings import ModelConfig
from recommender_job.storage.artifacts import RunFolder

Models = Callable[..., TrainedModel]
FULL = {"hidden_layers": (2,), "epochs": 7}


def test_what_is_loaded_is_what_was_saved(by_hand: Models, folder: RunFolder) -> None:
    model = by_hand(**FULL)
    model.save(folder, "train/challenger")
    loaded = TrainedModel.load(folder, "train/challenger")
    assert loaded.settings == model.settings
    assert loaded.version == model.version
    assert loaded.users.ids.tolist() == [10, 20]
    assert loaded.experiences.ids.tolist() == [7, 9]
    for name, values in model.weights.items():
        np.testing.assert_array_equal(loaded.weights[name], values, err_msg=name)
    pairs = np.array([10, 20, 99]), np.array([9, 7, 7])
    np.testing.assert_array_equal(loaded.predict(*pairs), model.predict(*pairs))


def test_nothing_in_the_file_needs_pickle(by_hand: Models, folder: RunFolder) -> None:
    by_hand(**FULL).save(folder, "model")
    files = sorted(path.name for path in Path(folder.url("model")).iterdir())
    assert files == ["settings.json", "weights.npz"]
    with zipfile.ZipFile(folder.url("model/weights.npz")) as archive:
        for name in archive.namelist():
            with archive.open(name) as member:
                array = np.lib.format.read_array(member, allow_pickle=False)
                assert array.dtype in (np.float32, np.int64), name


def test_version_changes_with_any_weight_id_or_setting(by_hand: Models) -> None:
    model = by_hand(**FULL)
    versions = [model.version]
    for name, values in model.weights.items():
        for place in np.ndindex(values.shape):
            changed = values.copy()
            changed[place] = np.nextafter(changed[place], np.float32(100))
            versions.append(dataclasses.replace(model, weights={**model.weights, name: changed}).version)
    versions += [
        dataclasses.replace(model, users=IdMap(np.array([10, 21]))).version,
        dataclasses.replace(model, experiences=IdMap(np.array([8, 9]))).version,
        by_hand(**{**FULL, "epochs": 8}).version,
    ]
    assert len(set(versions)) == len(versions)
    assert by_hand(**FULL).version == model.version
    assert len(model.version) == 12
    int(model.version, 16)


@pytest.mark.parametrize("unseen", ["zero", "random"])
@pytest.mark.parametrize(
    ("hidden_layers", "bias_terms", "dot_product"),
    [
        switches
        for switches in itertools.product([None, (), (2,)], [True, False], [True, False])
        if switches != (None, False, False)
    ],
)
def test_predict_is_the_keras_model(
    by_hand: Models, unseen: str, hidden_layers: tuple[int, ...] | None, bias_terms: bool, dot_product: bool
) -> None:
    from recommender_job.ranking.model import rebuild

    dense = {"dense": False} if hidden_layers is None else {"hidden_layers": hidden_layers}
    model = by_hand(unseen=unseen, bias_terms=bias_terms, dot_product=dot_product, **dense)
    users, experiences = np.array([10, 20, 5, 10, 7]), np.array([9, 7, 9, 100, 8])
    indexes = {"user": np.array([1, 2, 0, 1, 0]), "experience": np.array([2, 1, 2, 0, 0])}
    predicted = model.predict(users, experiences)
    np.testing.assert_allclose(predicted, rebuild(model)(indexes).numpy(), rtol=1e-6, atol=1e-6)
    assert predicted.dtype == np.float32
    assert predicted.shape == (5,)


@pytest.mark.parametrize("hidden_layers", [(256, 64), (33, 17, 5)])
def test_predict_is_the_keras_model_with_layers_of_any_number_and_width(hidden_layers: tuple[int, ...]) -> None:
    from recommender_job.ranking.model import RankingModel

    settings = ModelConfig(hidden_layers=hidden_layers, embedding_init=1.0)
    users, experiences = IdMap(np.arange(300)), IdMap(np.arange(200))
    keras = RankingModel(len(users), len(experiences), settings)
    keras.start(settings, 3.5, seed=1)
    weights = {name: variable.numpy() for name, variable in keras.named_variables().items()}
    model = TrainedModel(settings, users, experiences, weights)
    random = np.random.default_rng(2)
    pairs = random.integers(0, 310, 3000), random.integers(0, 210, 3000)
    indexes = {"user": users.encode(pairs[0]), "experience": experiences.encode(pairs[1])}
    expected = keras(indexes).numpy()
    np.testing.assert_allclose(model.predict(*pairs), expected, atol=1e-5)
    assert expected.std() > 0.3


def test_predictions_do_not_depend_on_how_many_are_asked_for(by_hand: Models) -> None:
    model = by_hand(**FULL)
    random = np.random.default_rng(1)
    users, experiences = random.choice([10, 20, 30], 140_000), random.choice([7, 8, 9], 140_000)
    many = model.predict(users, experiences)
    for place in (0, 16_383, 16_384, 131_072, 139_999):
        one = model.predict(users[place : place + 1], experiences[place : place + 1])
        assert one[0] == pytest.approx(many[place], abs=1e-6)
    assert model.predict(users[:0], experiences[:0]).shape == (0,)


@pytest.mark.parametrize("name", ["weights.npz", "settings.json"])
def test_a_missing_file_is_told(by_hand: Models, folder: RunFolder, name: str) -> None:
    by_hand().save(folder, "model")
    Path(folder.url(f"model/{name}")).unlink()
    with pytest.raises(ArtifactBroken, match=f"{name} is not there"):
        TrainedModel.load(folder, "model")


@pytest.mark.parametrize("name", ["weights.npz", "settings.json"])
def test_a_file_cut_short_is_told(by_hand: Models, folder: RunFolder, name: str) -> None:
    by_hand().save(folder, "model")
    file = Path(folder.url(f"model/{name}"))
    whole = file.read_bytes()
    for length in range(0, len(whole), 97):
        file.write_bytes(whole[:length])
        with pytest.raises(ArtifactBroken, match=name):
            TrainedModel.load(folder, "model")


def test_a_flipped_bit_is_told_or_harmless(by_hand: Models, folder: RunFolder) -> None:
    model = by_hand()
    model.save(folder, "model")
    file = Path(folder.url("model/weights.npz"))
    whole = file.read_bytes()
    told, others = 0, set()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        file.write_bytes(damaged)
        try:
            # Some bytes mean nothing, such as the date of an archive's member.
            assert TrainedModel.load(folder, "model").version == model.version
        except ArtifactBroken:
            told += 1
        except Exception as error:
            others.add(f"{type(error).__name__}: {error}")
    assert told > len(whole) / 2
    assert not others


def test_settings_that_are_none_are_told(by_hand: Models, folder: RunFolder) -> None:
    by_hand().save(folder, "model")
    folder.write_json("model/settings.json", {"embedding_dimension": -2})
    with pytest.raises(ArtifactBroken, match=r"settings\.json"):
        TrainedModel.load(folder, "model")


@pytest.mark.parametrize("unseen", ["zero", "random"])
def test_the_saved_model_serves_ids_and_clips_like_the_night(by_hand: Models, tmp_path: Path, unseen: str) -> None:
    from recommender_job.ranking.serving import export_saved_model
    from recommender_job.ranking.tensorflow import tf

    model = by_hand(unseen=unseen, hidden_layers=(2,))
    export_saved_model(Predictor(((1.0, model),)), str(tmp_path / "served"), (1.0, 5.0))
    serve = tf.saved_model.load(str(tmp_path / "served")).signatures["serving_default"]
    assert {name: spec.dtype for name, spec in serve.structured_input_signature[1].items()} == {
        "user_id": tf.int64,
        "experience_id": tf.int64,
    }
    # Known, unknown, negative and the largest ids; zero is no id of anybody.
    users = np.array([10, 10, 20, 20, 0, -1, 2**63 - 1, 10, 30], np.int64)
    experiences = np.array([7, 9, 7, 9, 0, 7, 9, -(2**63), 30], np.int64)
    served = serve(user_id=tf.constant(users), experience_id=tf.constant(experiences))["predicted_rating"].numpy()
    raw = model.predict(users, experiences)
    np.testing.assert_allclose(served, np.clip(raw, 1, 5), rtol=1e-6)
    assert (raw > 5).any()
    assert (raw < 1).any()
