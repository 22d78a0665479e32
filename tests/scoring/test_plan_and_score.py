"""The stages plan_shards and score, on files in a run folder."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recommender_job.config import Config, load_config
from recommender_job.errors import ArtifactBroken, NothingToTrainOn
from recommender_job.ranking.relevance import RelevanceModel
from recommender_job.ranking.trained import TrainedModel
from recommender_job.ratings.clean import CLEAN
from recommender_job.ratings.extract import EXPERIENCE_RULES, EXPERIENCES, OPT_OUTS, USERS
from recommender_job.runs import Run
from recommender_job.scoring.eligibility import shard_of
from recommender_job.scoring.lists import top_lists
from recommender_job.scoring.plan import (
    PLANNED_EXPERIENCES,
    PLANNED_OPT_OUTS,
    PLANNED_USERS,
    plan,
    shards_for,
    users_of_shard,
)
from recommender_job.scoring.score import lists_file, score
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.checksum import checksum
from recommender_job.tables import SOURCE_EXPERIENCE_RULES, SOURCE_OPT_OUTS
from tests.scoring.reference import alone, brute_force

CUTOFF = datetime(2023, 5, 3, tzinfo=UTC)
RUN = Run("tonight", CUTOFF)
RATED = [(1, 4), (1, 6), (2, 4), (3, 10), (5, 4), (5, 12), (8, 11)]


@pytest.fixture
def settings() -> Callable[..., Config]:
    """Makes a configuration without a database."""
    return lambda **changes: load_config({"shards": 3, "top_n": 4, **changes})


@pytest.fixture
def extracted(folder: RunFolder) -> RunFolder:
    """A run folder as extract and clean leave it: user 3 is inactive, user 7 never rated, four experiences count."""
    rated = pd.DataFrame(RATED, columns=["user_id", "experience_id"])
    at = pd.Timestamp("2023-01-01", tz="UTC").as_unit("us")
    folder.write_table(CLEAN, rated.assign(rating=np.float32(4), rated_at=at))
    people = pd.DataFrame({"user_id": [1, 2, 3, 5, 7, 8], "is_active": [True, True, False, True, True, True]})
    folder.write_table(USERS, people)
    offered = pd.DataFrame(
        {
            "experience_id": [12, 4, 6, 10, 11, 13],
            "name": ["twelve", "four", "six", "ten", "eleven", "thirteen"],
            "is_active": [True, True, True, True, True, False],
            "available_from": pd.Series([None] * 6, dtype="datetime64[us, UTC]"),
            "available_until": pd.Series([None, None, None, CUTOFF, None, None], dtype="datetime64[us, UTC]"),
        }
    )
    folder.write_table(EXPERIENCES, offered)
    folder.write_table(EXPERIENCE_RULES, SOURCE_EXPERIENCE_RULES.empty_table())
    folder.write_table(OPT_OUTS, SOURCE_OPT_OUTS.empty_table())
    return folder


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


@pytest.mark.parametrize(
    ("users", "experiences", "shards"),
    [
        (0, 0, 2),
        (500_000, 8_000, 2),
        (500_001, 1, 3),
        (500_000, 8_001, 2),
        (500_000, 24_001, 4),
        (20_000_000, 2_000, 80),
        (10**9, 10**6, 1024),
    ],
)
def test_shards_by_the_work(users: int, experiences: int, shards: int) -> None:
    assert shards_for(users, experiences) == shards


def test_the_planned_users_lie_shard_by_shard(extracted: RunFolder, settings: Callable[..., Config]) -> None:
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


def test_the_shards_together_are_everybodys_lists(
    extracted: RunFolder,
    settings: Callable[..., Config],
    exact: Callable[..., TrainedModel],
    wanted: Callable[..., RelevanceModel],
) -> None:
    config, model, relevance = settings(candidates_per_user="all"), alone(exact()), wanted("interactions")
    shards = plan(config, RUN, extracted)["shards"]
    summaries = [score(config, extracted, shard, model, relevance) for shard in shards]
    for shard, summary in zip(shards, summaries, strict=True):
        users = users_of_shard(extracted, shard)
        rows = len(extracted.read_frame(lists_file(shard)))
        assert summary == {
            "users": len(users),
            "rows": rows,
            "pairs": 4 * len(users),
            "model_version": model.version,
            "checksum": checksum(extracted.read_table(lists_file(shard))),
        }
    found = pd.concat([extracted.read_frame(lists_file(shard)) for shard in shards])
    expected = top_lists(
        model,
        np.array([1, 2, 5, 8]),
        np.array([4, 6, 11, 12]),
        pd.DataFrame(RATED, columns=["user_id", "experience_id"]),
        n=4,
        scale=(1.0, 5.0),
        block_pairs=10_000,
    )
    pd.testing.assert_frame_equal(found.sort_values(["user_id", "rank"], ignore_index=True), expected)
    # Of four eligible ones user 1 has rated two, user 2 one, user 5 two, user 8 one.
    assert found.groupby("user_id").size().to_dict() == {1: 2, 2: 3, 5: 2, 8: 3}


def test_each_user_gets_what_relevance_picks_from_all_their_ratings(
    extracted: RunFolder,
    settings: Callable[..., Config],
    exact: Callable[..., TrainedModel],
    wanted: Callable[..., RelevanceModel],
) -> None:
    config, model, relevance = settings(top_n=2), alone(exact(seed=2)), wanted("interactions")
    # Also those of an experience that is not offered any more.
    rated = pd.DataFrame([*RATED, (8, 99)], columns=["user_id", "experience_id"])
    extracted.write_table(CLEAN, rated)
    shards = plan(config, RUN, extracted)["shards"]
    for shard in shards:
        score(config, extracted, shard, model, relevance)
    found = pd.concat([extracted.read_frame(lists_file(shard)) for shard in shards]).sort_values(["user_id", "rank"])
    users, experiences = np.array([1, 2, 5, 8]), np.array([4, 6, 11, 12])
    expected = brute_force(model, users, experiences, rated, 2, relevance, 2)
    assert list(found.itertuples(index=False, name=None)) == expected
    assert expected != brute_force(model, users, experiences, rated, 2)
    assert expected != brute_force(model, users, experiences, rated[:-1], 2, relevance, 2)


def test_scoring_again_replaces_the_shards_own_file_only(
    extracted: RunFolder,
    settings: Callable[..., Config],
    exact: Callable[..., TrainedModel],
    wanted: Callable[..., RelevanceModel],
) -> None:
    shards = plan(settings(), RUN, extracted)["shards"]
    for shard in shards:
        score(settings(), extracted, shard, alone(exact()), wanted("factors"))
    before = [extracted.read_frame(lists_file(shard)) for shard in shards]
    score(settings(top_n=1), extracted, shards[0], alone(exact()), wanted("factors"))
    assert extracted.read_frame(lists_file(shards[0]))["rank"].unique().tolist() == [1]
    for shard, frame in zip(shards[1:], before[1:], strict=True):
        pd.testing.assert_frame_equal(extracted.read_frame(lists_file(shard)), frame)


def test_rules_and_opt_outs_are_planned_and_kept(
    extracted: RunFolder,
    settings: Callable[..., Config],
    exact: Callable[..., TrainedModel],
    wanted: Callable[..., RelevanceModel],
) -> None:
    def write(name: str, schema: pa.Schema, *rows: tuple[Any, ...]) -> None:
        extracted.write_table(
            name, pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)
        )

    # 11 is pinned, 12 excluded, 4 and 6 of one chain. User 1 has rated 4 and 6, user 8 has rated 11.
    rules = [(4, "chain", None, False), (6, "chain", None, False), (11, None, 1, False), (12, None, None, True)]
    write(EXPERIENCE_RULES, SOURCE_EXPERIENCE_RULES, *rules)
    opted = [(1, 11, None), (2, 11, CUTOFF), (2, 12, None), (3, 4, None), (8, 6, None)]
    write(OPT_OUTS, SOURCE_OPT_OUTS, *opted)
    config = settings(**{"rules.max_per_group": 1})
    summary = plan(config, RUN, extracted)
    assert {key: summary[key] for key in ("eligible_experiences", "excluded", "pinned", "opt_outs")} == {
        "eligible_experiences": 3, "excluded": 1, "pinned": 1, "opt_outs": 2,
    }  # fmt: skip
    assert extracted.read_frame(PLANNED_OPT_OUTS).to_dict("list") == {"user_id": [1, 8], "experience_id": [11, 6]}
    for shard in summary["shards"]:
        score(config, extracted, shard, alone(exact()), wanted("factors"))
    lists = pd.concat([extracted.read_frame(lists_file(shard)) for shard in summary["shards"]])
    found = lists.sort_values(["user_id", "rank"]).groupby("user_id")["experience_id"].agg(list).to_dict()
    # User 5 may have 4 or 6 by the rules, and has rated 4.
    assert found == {2: [11, 6], 5: [11, 6], 8: [4]}


@pytest.mark.parametrize("name", [OPT_OUTS, EXPERIENCE_RULES])
def test_a_run_that_an_older_version_extracted_is_told_what_to_do(
    extracted: RunFolder, settings: Callable[..., Config], name: str
) -> None:
    extracted.remove(name)
    with pytest.raises(ArtifactBroken, match=f"{name} is not there") as caught:
        plan(settings(), RUN, extracted)
    assert "Clear the stage that writes it" in caught.value.action


def test_a_plan_of_an_older_version_is_told_what_to_do(
    extracted: RunFolder,
    settings: Callable[..., Config],
    exact: Callable[..., TrainedModel],
    wanted: Callable[..., RelevanceModel],
) -> None:
    shard = plan(settings(), RUN, extracted)["shards"][0]
    extracted.write_table(PLANNED_EXPERIENCES, extracted.read_frame(PLANNED_EXPERIENCES)[["experience_id", "name"]])
    with pytest.raises(ArtifactBroken, match=r"plan/experiences\.parquet is damaged") as caught:
        score(settings(), extracted, shard, alone(exact()), wanted("factors"))
    assert "Clear the stage that writes it" in caught.value.action
