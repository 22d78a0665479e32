"""The stage score, on what plan_shards has written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from recommender_job.config import Config
from recommender_job.errors import ArtifactBroken
from recommender_job.ranking.relevance import RelevanceModel
from recommender_job.ranking.trained import TrainedModel
from recommender_job.ratings.clean import CLEAN
from recommender_job.ratings.extract import EXPERIENCE_RULES, OPT_OUTS
from recommender_job.scoring import score as score_module
from recommender_job.scoring.lists import top_lists
from recommender_job.scoring.parts import Part, parts_of_shard
from recommender_job.scoring.plan import (
    PLANNED_EXPERIENCES,
    PLANNED_OPT_OUTS,
    PLANNED_USERS,
    plan,
    users_of_shard,
)
from recommender_job.scoring.score import lists_file, score
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.checksum import checksum
from recommender_job.storage.run_files import remove_user_rows
from recommender_job.tables import SOURCE_EXPERIENCE_RULES, SOURCE_OPT_OUTS
from tests.scoring.conftest import CUTOFF, RATED, RUN
from tests.scoring.reference import alone, brute_force


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


def test_a_shard_whose_last_user_was_erased_has_the_checksum_of_its_empty_file(
    extracted: RunFolder,
    settings: Callable[..., Config],
    exact: Callable[..., TrainedModel],
    wanted: Callable[..., RelevanceModel],
) -> None:
    shard = plan(settings(), RUN, extracted)["shards"][0]
    for user in users_of_shard(extracted, shard):
        remove_user_rows(extracted, PLANNED_USERS, int(user))
    summary = score(settings(), extracted, shard, alone(exact()), wanted("factors"))
    assert (summary["users"], summary["rows"]) == (0, 0)
    assert summary["checksum"] == checksum(extracted.read_table(lists_file(shard)))


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


def test_shards_that_are_scored_at_the_same_time_do_not_meet(
    extracted: RunFolder,
    settings: Callable[..., Config],
    exact: Callable[..., TrainedModel],
    wanted: Callable[..., RelevanceModel],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    models = alone(exact()), wanted("interactions")
    first, second = plan(settings(), RUN, extracted)["shards"][:2]
    expected = [score(settings(), extracted, shard, *models) for shard in (first, second)]
    meanwhile: list[dict[str, Any]] = []

    def parts(folder: RunFolder, shard: int, scratch: Path) -> Iterator[Part]:
        for part in parts_of_shard(folder, shard, scratch):
            if shard == first:
                meanwhile.append(score(settings(), folder, second, *models))
                assert scratch.exists()
            yield part

    monkeypatch.setattr(score_module, "parts_of_shard", parts)
    assert score(settings(), extracted, first, *models) == expected[0]
    assert meanwhile == expected[1:]


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
