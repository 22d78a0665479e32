"""The stage plan_shards, on files in a run folder."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recommender_job.config import Config
from recommender_job.errors import ArtifactBroken, NothingToTrainOn
from recommender_job.ratings.clean import CLEAN, REJECTED
from recommender_job.ratings.extract import EXPERIENCE_RULES, EXPERIENCES, OPT_OUTS, USERS
from recommender_job.runs import Run
from recommender_job.scoring.eligibility import shard_of
from recommender_job.scoring.plan import (
    PLANNED_EXPERIENCES,
    PLANNED_OPT_OUTS,
    PLANNED_USERS,
    plan,
    shards_for,
    users_of_shard,
)
from recommender_job.storage.artifacts import RunFolder
from recommender_job.tables import REFUSED_RATINGS, SOURCE_OPT_OUTS
from tests.scoring.conftest import RUN


def test_plan(extracted: RunFolder, settings: Callable[..., Config]) -> None:
    summary = plan(settings(), RUN, extracted)
    users = np.array([1, 2, 5, 8])
    shard = shard_of(users, 3)
    rules = {"excluded": 0, "pinned": 0, "opt_outs": 0}
    assert summary == {
        "shards": sorted(set(shard.tolist())), "shards_in_all": 3, "users": 4, "eligible_experiences": 4, **rules,
    }  # fmt: skip
    planned = extracted.read_frame(PLANNED_EXPERIENCES)
    assert planned["experience_id"].tolist() == [4, 6, 11, 12]
    assert planned["name"].tolist() == ["four", "six", "eleven", "twelve"]
    for number in range(3):
        assert users_of_shard(extracted, number).tolist() == users[shard == number].tolist()


def test_what_was_rated_in_a_way_that_cannot_be_used_is_left_out_too(
    extracted: RunFolder, settings: Callable[..., Config]
) -> None:
    opt_outs = pd.DataFrame({"user_id": [1, 7], "experience_id": [11, 11], "until": pd.Series([None] * 2)})
    extracted.write_table(OPT_OUTS, pa.Table.from_pandas(opt_outs, SOURCE_OPT_OUTS, preserve_index=False))
    at, pairs = datetime(2023, 1, 1, tzinfo=UTC), [(8, 4), (2, 6), (2, 99)]
    rows = [
        {"user_id": user, "experience_id": one, "rating": None, "rated_at": at, "updated_at": at}
        | {"column_name": "rating", "reason": "is missing"}
        for user, one in pairs
    ]
    extracted.write_table(REJECTED, pa.Table.from_pylist(rows, REFUSED_RATINGS))
    assert plan(settings(), RUN, extracted)["opt_outs"] == 1
    left_out = extracted.read_frame(PLANNED_OPT_OUTS)
    assert list(left_out.itertuples(index=False, name=None)) == [(1, 11), (8, 4), (2, 6)]


@pytest.mark.parametrize(
    ("users", "experiences", "predict", "shards"),
    [
        (0, 0, "all", 2),
        (500_000, 8_000, "all", 2),
        (500_001, 1, "all", 3),
        (500_000, 8_001, "all", 2),
        (500_000, 24_001, "all", 4),
        (500_000, 24_001, "candidates", 2),
        (500_000, 2_400_001, "candidates", 4),
        (20_000_000, 2_000, "all", 80),
        (10**8, 10**6, "candidates", 400),
        (10**9, 10**6, "all", 1024),
    ],
)
def test_shards_by_the_work(users: int, experiences: int, predict: str, shards: int) -> None:
    assert shards_for(users, experiences, predict) == shards


@pytest.mark.parametrize("at_once", [1, 700, 5001])
def test_the_planned_users_lie_shard_by_shard(
    extracted: RunFolder, settings: Callable[..., Config], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recommender_job.scoring.plan.AT_ONCE", at_once)
    many = np.random.default_rng(0).permutation(5000) * 3 - 4000
    people = pd.DataFrame({"user_id": many, "is_active": many % 2 == 0})
    extracted.write_table(USERS, people)
    rated = extracted.read_frame(CLEAN).iloc[[0]]
    rated = pd.concat([rated.assign(user_id=user) for user in many[many % 5 != 0]])
    extracted.write_table(CLEAN, rated)
    summary = plan(settings(shards=None), RUN, extracted)
    known = np.sort(many[(many % 2 == 0) & (many % 5 != 0)])
    assert (summary["users"], summary["shards"], summary["shards_in_all"]) == (len(known), [0, 1], 2)
    planned = extracted.read_frame(PLANNED_USERS)
    for number in (0, 1):
        expected = known[shard_of(known, 2) == number]
        assert users_of_shard(extracted, number).tolist() == expected.tolist()
        assert planned.loc[planned["shard"] == number, "user_id"].tolist() == expected.tolist()
    parquet = pq.ParquetFile(extracted.url(PLANNED_USERS))
    assert parquet.num_row_groups == 2


def test_an_experience_still_counts_before_its_last_moment(
    extracted: RunFolder, settings: Callable[..., Config]
) -> None:
    earlier = Run("earlier", datetime(2023, 5, 2, 23, 59, tzinfo=UTC))
    assert plan(settings(), earlier, extracted)["eligible_experiences"] == 5


def test_a_shard_without_users_is_not_planned(extracted: RunFolder, settings: Callable[..., Config]) -> None:
    summary = plan(settings(shards=1024), RUN, extracted)
    assert summary["shards"] == sorted(set(shard_of(np.array([1, 2, 5, 8]), 1024).tolist()))


def test_nobody_to_recommend_to(extracted: RunFolder, settings: Callable[..., Config]) -> None:
    extracted.write_table(USERS, extracted.read_frame(USERS).assign(is_active=False))
    with pytest.raises(NothingToTrainOn, match="0 active users with ratings and 4 eligible experiences"):
        plan(settings(), RUN, extracted)


def test_nothing_to_recommend(extracted: RunFolder, settings: Callable[..., Config]) -> None:
    extracted.write_table(EXPERIENCES, extracted.read_frame(EXPERIENCES).assign(is_active=False))
    with pytest.raises(NothingToTrainOn, match="4 active users with ratings and 0 eligible experiences") as caught:
        plan(settings(), RUN, extracted)
    assert "sql/source/experiences.sql" in caught.value.action


@pytest.mark.parametrize("name", [OPT_OUTS, EXPERIENCE_RULES])
def test_a_run_that_an_older_version_extracted_is_told_what_to_do(
    extracted: RunFolder, settings: Callable[..., Config], name: str
) -> None:
    extracted.remove(name)
    with pytest.raises(ArtifactBroken, match=f"{name} is not there") as caught:
        plan(settings(), RUN, extracted)
    assert "Clear the stage that writes it" in caught.value.action
