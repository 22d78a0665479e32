"""The same snapshot, settings and seed give the same metrics and lists, in processes that differ in all else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recommender_job.config import ENV_PREFIX
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.importer import import_ratings
from recommender_job.ratings.sample import sample_ratings
from recommender_job.runs import stage_of
from recommender_job.scoring.score import lists_file, predictions_file
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database, plain_url

SETTINGS = """
dry_run = true
keep_all_predictions = true
gate = { max_rmse = 9.0, max_list_loss = 1.0, min_personal_lists = 0.0, min_distinct_lists = 0.0, max_exposure = 1.0 }
relevance = { method = "METHOD", ease_l2 = [20.0, 100.0], als_l2 = [15.0, 30.0] }

[selection.candidates.on_biases]
model = { biases = "closed_form", embedding_dimension = 8, dense = false, epochs = 8, learning_rate = 0.02 }
"""
DENSE = """
[selection.candidates.dense]
model = { hidden_layers = [16, 8], embedding_dimension = 8, epochs = 8, learning_rate = 0.02 }
"""
#: The order of sets and dictionaries of strings, and how many threads share the work.
MACHINES = [
    {"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"},
    {"PYTHONHASHSEED": "2", "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "TF_NUM_INTRAOP_THREADS": "2"},
]


def night(database: Database, home: Path, machine: dict[str, str]) -> dict[str, Any]:
    """One night by the command line, with a home of its own; as nothing is switched, none is another's champion."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    own = {"RECOMMENDER_HOME": str(home), "RECOMMENDER_DATABASE_URL": plain_url(database.url)}
    script = Path(sys.executable).with_name("recommender-job")
    ended = subprocess.run(
        [script, "run", "--as-of", "2024-01-01", "--json"],
        env={**outside, **own, **machine},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return dict(json.loads(ended.stdout))


def lasting(value: Any) -> Any:
    """What does not depend on the machine."""
    if isinstance(value, dict):
        return {key: lasting(inner) for key, inner in value.items() if key not in ("seconds", "peak_mb")}
    return value


def frames(home: Path, run_id: str, shards: list[int]) -> dict[str, pd.DataFrame]:
    folder = RunFolder(str(home / "runs"), run_id)
    names = ["evaluate/predictions.parquet", "evaluate/lists.parquet"]
    names += [file(shard) for shard in shards for file in (lists_file, predictions_file)]
    return {name: folder.read_frame(name) for name in names}


@pytest.mark.parametrize("method", ["auto", "als"])
def test_two_processes_come_to_the_same(database: Database, tmp_path: Path, method: str) -> None:
    file = tmp_path / "sample.csv"
    sample_ratings(120, 30, seed=2).to_csv(file, index=False)
    import_ratings(database, file, Columns(), now=datetime(2024, 1, 1, tzinfo=UTC), scale=(1, 5))
    candidates = DENSE if method == "auto" else ""  # the factors do not depend on the model
    Path("recommender.toml").write_text(SETTINGS.replace("METHOD", method) + candidates, "utf-8")
    homes = [tmp_path / "one", tmp_path / "two"]
    first, second = (night(database, home, machine) for home, machine in zip(homes, MACHINES, strict=True))
    assert first["metrics"]["selection"]["how"] == "chosen"
    assert first["metrics"]["selection"]["relevance"]["method"] == {"auto": "ease", "als": "als"}[method]
    assert lasting(first["metrics"]) == lasting(second["metrics"])
    shards = first["stages"]["plan_shards"]["shards"]
    for stage in ("train", "refit", *map(stage_of, shards)):
        assert lasting(first["stages"][stage]) == lasting(second["stages"][stage])
    made = [frames(home, first["run_id"], shards) for home in homes]
    assert list(made[0]) == list(made[1])
    for name, frame in made[0].items():
        assert len(frame) > 50
        pd.testing.assert_frame_equal(frame, made[1][name], check_exact=True)
