"""Several devices train what one does. There are no graphics cards here: one processor passes for two devices."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

_ON_TWO_DEVICES = """
import json, os, sys
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf
(processor,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
from recommender_job.ranking import graph
from recommender_job.ranking.trainer import Trainers
from recommender_job.settings import ModelConfig
from tests.ranking import worlds

ratings = worlds.noise().head(401)  # of which the last batch has one, and the second device then none
of = graph.usable_cards

def trained(changes, large, devices):
    graph.LARGE = 1 if large else 10**9
    graph.usable_cards = (lambda _: ["CPU:0", "CPU:1"]) if devices == "two" else of
    usual = {"hidden_layers": (4,), "embedding_dimension": 2, "embedding_init": 0.1, "learning_rate": 0.02}
    settings = ModelConfig(**{**usual, "epochs": 3, "batch_size": 16, **changes})
    trainer = Trainers(ratings, devices="all_gpus" if devices == "two" else devices).of(settings)
    losses = [trainer.fit(ratings, settings, seed=1)[1] for _ in range(2)]
    return {"losses": losses, "predicted": trainer.predict(ratings).tolist(),
            "replicas": trainer._graph._strategy.num_replicas_in_sync}

changes, large = json.loads(sys.argv[1])
print(json.dumps({devices: trained(changes, large, devices) for devices in ("auto", "cpu", "all_gpus", "two")}))
"""


@pytest.mark.parametrize(
    ("changes", "large"), [({}, True), ({"biases": "closed_form"}, False), ({"optimizer": "adagrad"}, False)]
)
def test_two_devices_train_what_one_does(changes: dict[str, Any], large: bool) -> None:
    told = subprocess.run(
        [sys.executable, "-c", _ON_TWO_DEVICES, json.dumps([changes, large])],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    found = json.loads(told.stdout)
    assert found["two"].pop("replicas") == 2
    for one in ("auto", "cpu", "all_gpus"):
        assert found[one].pop("replicas") == 1
        assert found[one]["losses"] == found["auto"]["losses"]
        assert found[one]["predicted"] == found["auto"]["predicted"]
    first, again = found["two"]["losses"]
    assert first == again == pytest.approx(found["auto"]["losses"][0], rel=1e-5)
    assert found["two"]["predicted"] == pytest.approx(found["auto"]["predicted"], abs=1e-5)
