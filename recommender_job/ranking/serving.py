"""The predictor as a SavedModel for TensorFlow Serving. Imports TensorFlow: import it inside functions only."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from recommender_job.ranking.ids import UNSEEN, IdMap
from recommender_job.ranking.model import rebuild
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.tensorflow import tf


def export_saved_model(predictor: Predictor, path: str, scale: tuple[float, float]) -> None:
    """Writes a SavedModel: ids in, predicted ratings within the scale out.

    Args:
        predictor: What to serve.
        path: A folder to make, in one that is the caller's to remove: temporary files may stay beside it.
        scale: Lowest and highest rating.
    """
    served = tf.Module()
    served.users, served.experiences = _table(predictor.users), _table(predictor.experiences)
    networks = [rebuild(network) for _, network in predictor.networks]
    # The variables alone: of a Keras model every layer would be saved too, each traced once more, and never called.
    served.weights = [network.variables for network in networks]
    weights = [np.float32(weight) for weight, _ in predictor.networks]
    served.biases = []
    if predictor.bias:
        weight, bias = predictor.bias
        user = (weight * (bias.mean + bias.user)).astype(np.float32)
        served.biases = [tf.constant(user), tf.constant((weight * bias.experience).astype(np.float32))]
    ids = tf.TensorSpec([None], tf.int64)

    @tf.function(input_signature=[ids, ids], autograph=False)  # type: ignore[untyped-decorator]  # TensorFlow ships none
    def serve(user_id: Any, experience_id: Any) -> dict[str, Any]:
        users, experiences = served.users[user_id], served.experiences[experience_id]
        rating = tf.zeros(tf.shape(user_id))
        for weight, network in zip(weights, networks, strict=True):
            rating += weight * network({"user": users, "experience": experiences})
        for rows, table in zip((users, experiences), served.biases, strict=False):
            rating += tf.gather(table, rows)
        return {"predicted_rating": tf.clip_by_value(rating, *scale)}

    served.serve = serve
    with _temporary_files_in(Path(path).parent):
        tf.saved_model.save(served, path, signatures={"serving_default": serve})


@contextlib.contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """TensorFlow writes a wrapper's source and removes it at an orderly exit, which a task of Airflow does not have."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


def _table(ids: IdMap) -> Any:
    keys = tf.constant(ids.ids, tf.int64)
    rows = tf.range(1, len(ids) + 1, dtype=tf.int32)
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, rows), default_value=UNSEEN)
