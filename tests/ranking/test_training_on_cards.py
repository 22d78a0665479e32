"""What training on a card depends on, as far as it shows without one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from recommender_job.config import load_config
from recommender_job.errors import CardFailed
from recommender_job.ranking import cards, stages
from recommender_job.ranking.trainer import Trainer, Trainers
from recommender_job.ratings.clean import CLEAN
from recommender_job.settings import ModelConfig
from recommender_job.storage.artifacts import RunFolder
from tests.ranking import worlds

RATINGS = worlds.noise().head(300)
SMALL = {"hidden_layers": (4,), "embedding_dimension": 2, "epochs": 2, "batch_size": 64}


def trainer(large: bool, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Trainer:
    from recommender_job.ranking import graph

    monkeypatch.setattr(graph, "LARGE", 1 if large else 10**9)
    devices = changes.pop("devices", "auto")
    return Trainers(RATINGS, devices=devices).of(ModelConfig(**{**SMALL, **changes}))


def operators(graph: Any) -> Iterator[Any]:
    """The operators of a graph and of every function that it calls."""
    yield from graph.get_operations()
    for function in graph._functions.values():
        inner = getattr(function, "graph", None)
        if inner is not None:
            yield from operators(inner)


def test_products_are_not_rounded_and_cards_are_shared() -> None:
    from recommender_job.ranking.tensorflow import tf

    assert not tf.config.experimental.tensor_float_32_execution_enabled()
    assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    assert os.environ["TF_DISABLE_SCATTER_OP_DETERMINISM"] == "true"


@pytest.mark.parametrize("optimizer", ["adam", "adagrad"])
def test_no_step_is_compiled_anew_where_there_is_a_card(optimizer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras asks for physical cards and, where it finds one, has XLA compile a step for every shape of a gradient."""
    from recommender_job.ranking.tensorflow import keras, tf

    card = SimpleNamespace(name="/physical_device:GPU:0", device_type="GPU")
    # Keras has this name for it.
    monkeypatch.setattr(tf.compat.v2.config, "list_physical_devices", lambda kind=None: [card])
    assert keras.optimizers.Adam().jit_compile
    assert not trainer(True, monkeypatch, optimizer=optimizer)._graph.optimizer.jit_compile


@pytest.mark.parametrize(("optimizer", "large"), [("adam", True), ("adam", False), ("adagrad", False)])
def test_no_operator_writes_a_row_twice(optimizer: str, large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of writing can then not matter: TensorFlow's own care, which copies tables, is switched off."""
    from recommender_job.ranking.tensorflow import tf

    kind = type(tf.Variable(0.0))
    seen: list[str] = []

    def checking(name: str) -> None:
        write = getattr(kind, name)

        def checked(self: Any, slices: Any, *arguments: Any, **named: Any) -> Any:
            seen.append(name)
            once = tf.size(tf.unique(slices.indices)[0])
            with tf.control_dependencies([tf.debugging.assert_equal(once, tf.size(slices.indices))]):
                values = tf.identity(slices.values)
            return write(self, tf.IndexedSlices(values, slices.indices), *arguments, **named)

        monkeypatch.setattr(kind, name, checked)

    for name in ("scatter_update", "scatter_add", "scatter_sub"):
        checking(name)
    used = trainer(large, monkeypatch, optimizer=optimizer)
    used.fit(RATINGS, used.settings, seed=1)
    assert seen
    twice = tf.IndexedSlices(tf.ones([2, 1]), tf.constant([0, 0]))
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.Variable(tf.zeros([3, 1])).scatter_add(twice)


@pytest.mark.parametrize(("optimizer", "large"), [("adam", True), ("adam", False), ("adagrad", False)])
def test_what_touches_a_table_can_be_done_on_a_card(
    optimizer: str, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the kernels that TensorFlow's package holds, also where there is no card to run them."""
    from tensorflow.python.framework import kernels

    touching = 0
    graph = trainer(large, monkeypatch, optimizer=optimizer)._graph.epoch.get_concrete_function().graph
    for operator in operators(graph):
        tables = [tensor for tensor in operator.inputs if tensor.dtype.name == "resource"]
        if not tables or operator.type.endswith(("While", "If", "PartitionedCall")):
            continue
        touching += 1
        every = kernels.get_registered_kernels_for_op(operator.type).kernel
        # `DEFAULT` are kernels for whatever device has none of its own.
        found = [kernel for kernel in every if kernel.device_type in {"GPU", "DEFAULT"}]
        kinds = {
            (rule.name, kind)
            for kernel in found
            for rule in kernel.constraint
            for kind in rule.allowed_values.list.type
        }
        for name in ("dtype", "Tindices"):
            if name in operator.node_def.attr and any(rule == name for rule, _ in kinds):
                assert (name, operator.get_attr(name).as_datatype_enum) in kinds, operator
        assert found, operator
        if operator.type.startswith("ResourceScatter"):
            # Rows of integers are written by the processor: the whole table would travel there and back.
            assert operator.get_attr("dtype").is_floating, operator
    assert touching > 10


def test_without_cards_all_of_it_is_the_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    placed: dict[str, set[str]] = {}
    for devices in ("cpu", "auto"):
        graph = trainer(True, monkeypatch, devices=devices)._graph
        assert all("CPU:0" in variable.device for variable in graph.optimizer.variables)
        placed[devices] = {
            operator.device
            for function in (graph.epoch, graph.predict)
            for operator in operators(function.get_concrete_function().graph)
            # What comes in or goes out has no place of its own, and what reads a variable has the variable's.
            if operator.type not in {"Placeholder", "Identity", "NoOp", "ReadVariableOp"}
        }
    assert all("CPU:0" in device.upper() for device in placed["cpu"])
    assert "" in placed["auto"]


def test_a_full_card_is_told_by_the_stages(folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from recommender_job.ranking import graph
    from recommender_job.ranking.tensorflow import tf

    config = load_config({f"model.{name}": value for name, value in SMALL.items()})
    folder.write_table(CLEAN, RATINGS)
    folder.finish("train", stages.train(config, folder, "challenger", "champion"))

    def full(*_: Any) -> Any:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating a table")

    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr(cards, "DRIVER_FILES", (tmp_path / "nvidiactl",))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(graph, "RankingModel", full)
    with pytest.raises(CardFailed, match="ran out of memory"):
        stages.train(config, folder, "challenger", "champion")
    with pytest.raises(CardFailed, match="ran out of memory"):
        stages.refit(config, folder, "challenger", "final", "saved")
