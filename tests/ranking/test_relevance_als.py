"""ALS: repeatable, silent, and able to find who belongs together; and the files of relevance models."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recommender_job.errors import ArtifactBroken
from recommender_job.ranking.recipe import RelevancePart
from recommender_job.ranking.relevance import RelevanceModel, train_relevance
from recommender_job.storage.artifacts import RunFolder
from tests.ranking import worlds
from tests.ranking.worlds import as_pairs

METHODS = ["ease", "als", "popularity"]
_ELSEWHERE = """
import numpy as np, pandas as pd, sys
from recommender_job.ranking.recipe import RelevancePart
from recommender_job.ranking.relevance import train_relevance
model = train_relevance(pd.read_json(sys.argv[1]), RelevancePart(method="als", l2=10.0), seed=3)
np.savez("elsewhere.npz", factors=model.factors, matrix=model.matrix)
"""


def trained(method: Any, seed: int = 3) -> RelevanceModel:
    return train_relevance(worlds.clusters(), RelevancePart(method=method, l2=10.0, popularity=0.1), seed=seed)


@pytest.mark.parametrize("method", ["als", "ease"])
def test_what_is_left_of_a_users_own_group_comes_first(method: Any) -> None:
    ratings, model = worlds.clusters(), trained(method)
    had, users = as_pairs(ratings), np.arange(1, 101)
    matrix, popularity = model.columns(model.experiences.ids)
    found = model.features(users, ratings).block(0, 100) @ matrix + popularity
    right = 0
    for user, row in zip(users.tolist(), found, strict=True):
        left = [e for e in np.argsort(-row) + 1 if (user, e) not in had][:5]
        right += sum((e - 1) // 10 == (user - 1) % 4 for e in left)
    assert right >= 0.98 * 500  # drawn by lot, a seventh would be


def test_als_is_the_same_in_every_process_and_says_nothing() -> None:
    ratings = worlds.clusters()[["user_id", "experience_id", "rating"]]
    first, again = trained("als"), trained("als")
    assert first.factors is not None
    ratings.to_json("ratings.json")
    told = subprocess.run(
        [sys.executable, "-W", "error", "-c", _ELSEWHERE, "ratings.json"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "2"},
    )
    assert (told.stdout, told.stderr) == ("", "")
    with np.load("elsewhere.npz") as other:
        for model in (first, again):
            np.testing.assert_array_equal(model.factors, other["factors"])
            np.testing.assert_array_equal(model.matrix, other["matrix"])
    assert not np.array_equal(trained("als", seed=4).matrix, first.matrix)


def test_an_unseen_user_has_no_factors() -> None:
    model = trained("als")
    assert model.factors is not None
    assert model.factors.shape == (101, 64)
    assert not model.factors[0].any()
    assert model.factors[1:].any(axis=1).all()


@pytest.mark.parametrize("method", METHODS)
def test_what_is_loaded_is_what_was_saved(folder: RunFolder, method: Any) -> None:
    model = trained(method)
    model.save(folder, "train/challenger")
    loaded = RelevanceModel.load(folder, "train/challenger")
    for field in dataclasses.fields(RelevanceModel):
        mine, theirs = getattr(model, field.name), getattr(loaded, field.name)
        if field.name in ("users", "experiences"):
            mine, theirs = mine.ids, theirs.ids
        np.testing.assert_array_equal(theirs, mine, err_msg=field.name)
        assert type(theirs) is type(mine), field.name
    matrix, popularity = loaded.columns(np.array([3, 99]))
    np.testing.assert_array_equal(matrix, model.columns(np.array([3, 99]))[0])
    np.testing.assert_array_equal(popularity, model.columns(np.array([3, 99]))[1])


def test_a_missing_or_damaged_file_is_told(folder: RunFolder) -> None:
    with pytest.raises(ArtifactBroken, match=r"relevance\.npz is not there"):
        RelevanceModel.load(folder, "model")
    trained("als").save(folder, "model")
    file = Path(folder.url("model/relevance.npz"))
    whole = file.read_bytes()
    for length in range(0, len(whole), 4001):
        file.write_bytes(whole[:length])
        with pytest.raises(ArtifactBroken, match=r"relevance\.npz is damaged"):
            RelevanceModel.load(folder, "model")
    for place in range(100, len(whole), 4001):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ArtifactBroken, match=r"relevance\.npz is damaged"):
            RelevanceModel.load(folder, "model")


def test_a_file_without_something_that_belongs_to_it_is_told(folder: RunFolder) -> None:
    trained("ease").save(folder, "model")
    arrays = folder.read_arrays("model/relevance.npz")
    for name in arrays:
        folder.write_arrays("model/relevance.npz", {key: values for key, values in arrays.items() if key != name})
        with pytest.raises(ArtifactBroken, match=name):
            RelevanceModel.load(folder, "model")
    folder.write_arrays("model/relevance.npz", {**arrays, "experience_ids": arrays["experience_ids"][::-1]})
    with pytest.raises(ArtifactBroken, match="ascending"):
        RelevanceModel.load(folder, "model")
