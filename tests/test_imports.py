"""Importing costs nothing: no TensorFlow, no pandas, no database, no settings."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import recommender_job

#: The doors to TensorFlow, imported inside functions only.
DOORS = (
    "recommender_job.ranking.tensorflow",
    "recommender_job.ranking.model",
    "recommender_job.ranking.serving",
)


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
        "pandera",
    }
    assert not loaded(*modules) & heavy


def test_the_night_loads_tensorflow_only_when_it_trains() -> None:
    assert not loaded("recommender_job.nightly") & {"tensorflow", "tf_keras", "tensorflow_recommenders"}


def test_a_large_catalogues_library_is_loaded_only_where_it_is_used() -> None:
    assert "implicit" not in loaded("recommender_job.evaluating.stage", "recommender_job.backtest")


def test_no_module_but_the_doors_loads_tensorflow() -> None:
    names = [module.name for module in pkgutil.walk_packages(recommender_job.__path__, "recommender_job.")]
    assert set(DOORS) < set(names)
    others = [name for name in names if name not in DOORS]
    assert len(others) > 30
    assert not loaded(*others) & {"tensorflow", "tf_keras", "tensorflow_recommenders", "airflow"}


@pytest.mark.parametrize("door", DOORS)
def test_every_door_loads_it(door: str) -> None:
    """Or else the tests above could not fail, or it is no door."""
    assert "tensorflow" in loaded(door)


def test_importing_reads_no_settings() -> None:
    code = "import recommender_job.cli, recommender_job.nightly, recommender_job.backtest"
    environment = {"RECOMMENDER_NO_SUCH_SETTING": "1", "PATH": "", "TZ": "UTC"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
