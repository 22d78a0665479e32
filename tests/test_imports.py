"""Importing costs nothing: no TensorFlow, no Numba, no pandas, no database, no settings."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import recommender_job
from recommender_job.ranking.inputs import HOLDOUT, TRAIN
from recommender_job.ratings.clean import CLEAN
from recommender_job.scoring.plan import PLANNED_EXPERIENCES, PLANNED_OPT_OUTS, PLANNED_USERS
from recommender_job.storage.artifacts import RunFolder
from tests.scoring import random_worlds as worlds

#: The doors to TensorFlow, imported inside functions only.
DOORS = (
    "recommender_job.ranking.tensorflow",
    "recommender_job.ranking.adam",
    "recommender_job.ranking.graph",
    "recommender_job.ranking.model",
    "recommender_job.ranking.serving",
)


#: The doors to Numba are the modules of this package.
COMPILED = "recommender_job.scoring.compiled."


def loaded(*modules: str) -> set[str]:
    """Top-level modules that a new interpreter holds after importing these."""
    code = f"import sys, {', '.join(modules)}; print(*{{name.split('.')[0] for name in sys.modules}})"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stderr == ""
    return set(told.stdout.split())


@pytest.mark.parametrize(
    "modules",
    [
        ("recommender_job.errors",),
        ("recommender_job.runs",),
        ("recommender_job.settings",),
        ("recommender_job.config",),
        ("recommender_job.console",),
        ("recommender_job.cli",),
    ],
)
def test_the_light_modules_load_no_heavy_ones(modules: tuple[str, ...]) -> None:
    heavy = {
        "tensorflow",
        "tf_keras",
        "tensorflow_recommenders",
        "pandas",
        "numpy",
        "pyarrow",
        "sqlalchemy",
        "psycopg2",
        "scipy",
        "implicit",
        "numba",
        "pandera",
    }
    assert not loaded(*modules) & heavy


def test_the_night_loads_tensorflow_only_when_it_trains() -> None:
    assert not loaded("recommender_job.nightly") & {"tensorflow", "tf_keras", "tensorflow_recommenders"}


def test_evaluating_and_scoring_do_without_tensorflow(folder: RunFolder) -> None:
    users, experiences = np.arange(20), np.arange(30)
    models = worlds.predictor("average", users, experiences), worlds.relevance("interactions", users, experiences)
    for name in ("challenger", "champion"):
        models[0].save(folder, name)
        models[1].save(folder, name)
    rated = worlds.rated(users, experiences, share=0.5)
    at = pd.Timestamp("2023-01-01", tz="UTC").as_unit("us")
    rated = rated.assign(rating=np.float32(4) + np.arange(len(rated), dtype=np.float32) % 2, rated_at=at)
    for name, part in ((TRAIN, rated[:-40]), (HOLDOUT, rated[-40:]), (CLEAN, rated)):
        folder.write_table(name, part)
    folder.finish("train", {"champion": "trained", "selection": {}})
    folder.write_table(PLANNED_USERS, pd.DataFrame({"user_id": users, "shard": 0}))
    offered = pd.DataFrame({"experience_id": experiences, "name": "a", "group": 0})
    folder.write_table(PLANNED_EXPERIENCES, offered.assign(group_name=None, pin=pd.array([None] * 30, "Int64")))
    folder.write_table(PLANNED_OPT_OUTS, rated[["user_id", "experience_id"]][:0])
    code = f"""
import sys
from recommender_job.config import load_config
from recommender_job.evaluating.stage import evaluate
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.relevance import RelevanceModel
from recommender_job.scoring.score import score
from recommender_job.storage.artifacts import RunFolder
folder, config = RunFolder({str(folder.path.parent)!r}, {folder.path.name!r}), load_config()
figures = evaluate(config, folder, "challenger", "champion")
summary = score(config, folder, 0, Predictor.load(folder, "champion"), RelevanceModel.load(folder, "champion"))
print(figures["n"], summary["rows"] > 100, *{{name.split(".")[0] for name in sys.modules}})
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert told[:2] == ["40", "True"]
    assert "numpy" in told
    assert not {*told} & {"tensorflow", "tf_keras", "tensorflow_recommenders", "implicit", "numba"}


def test_a_large_catalogues_library_is_loaded_only_where_it_is_used() -> None:
    assert "implicit" not in loaded("recommender_job.evaluating.stage", "recommender_job.backtest")


def test_no_module_but_the_doors_loads_tensorflow_or_numba() -> None:
    names = [module.name for module in pkgutil.walk_packages(recommender_job.__path__, "recommender_job.")]
    assert set(DOORS) < set(names)
    compiled = [name for name in names if name.startswith(COMPILED)]
    others = [name for name in names if name not in (*DOORS, *compiled)]
    assert len(others) > 30
    assert not loaded(*others) & {"tensorflow", "tf_keras", "tensorflow_recommenders", "airflow", "numba"}
    assert all("numba" in loaded(name) for name in compiled)
    assert len(compiled) > 1


def test_what_is_loaded_is_seen() -> None:
    """Or else the tests above could not fail."""
    assert "tensorflow" in loaded(DOORS[0])


@pytest.mark.parametrize("door", DOORS)
def test_every_door_loads_it(door: str) -> None:
    """Or else it is no door. TensorFlow is refused to it: to load it would take seconds for each."""
    code = f"import sys; sys.modules['tensorflow'] = None; import {door}"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "import of tensorflow halted" in told.stderr


def test_importing_reads_no_settings() -> None:
    code = "import recommender_job.cli, recommender_job.nightly, recommender_job.backtest"
    environment = {"RECOMMENDER_NO_SUCH_SETTING": "1", "PATH": "", "TZ": "UTC"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
