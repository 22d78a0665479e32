"""Clearing a stage of a run that a user was erased from works, and publishes the lists of all others."""

from __future__ import annotations

import pytest

from recommender_job import nightly
from recommender_job.errors import OutputRefused
from recommender_job.runs import stage_of
from recommender_job.scoring.score import lists_file
from recommender_job.storage.checksum import checksum
from tests.erasing.conftest import RUNS, World


@pytest.mark.parametrize("cleared", ["publish", "score", "plan_shards", "refit", "train"])
def test_clearing_a_stage_afterwards_publishes_the_same_lists_of_all_others(world: World, cleared: str) -> None:
    shown = [{**row, "publication_id": 3} for row in world.shown()]
    shards = world.folder().summary("plan_shards")["shards"]
    world.erase()
    assert world.folder().summary("plan_shards")["users"] == len({row["user_id"] for row in shown})
    if cleared == "train":
        nightly.train(world.config, RUNS[1])
        nightly.evaluate(world.config, RUNS[1])
        world.folder().finish("gate", {"passed": True})
    if cleared in ("train", "refit"):
        nightly.refit(world.config, RUNS[1])
    if cleared in ("train", "refit", "plan_shards"):
        nightly.plan_shards(world.config, RUNS[1])
    if cleared == "score":
        shards = shards[-1:]  # one shard alone: the other's lists are of the model before
    if cleared != "publish":
        for shard in shards:
            nightly.score(world.config, RUNS[1], shard)
    summary = nightly.publish(world.config, RUNS[1])
    now = world.shown()
    if cleared in ("train", "refit"):  # another model, trained without the user
        assert [(row["user_id"], row["rank"]) for row in now] == [(row["user_id"], row["rank"]) for row in shown]
    else:
        assert now == shown
    assert (summary["users"], summary["rows"]) == (len({row["user_id"] for row in shown}), len(shown))
    assert world.traces() == []


def test_the_checksums_of_the_shards_are_those_of_all_others(world: World) -> None:
    folder = world.folder()
    shards = folder.summary("plan_shards")["shards"]

    def told(shard: int) -> str | None:
        return folder.summary(stage_of(shard)).get("checksum")

    for shard in shards:
        whole = checksum(folder.read_table(lists_file(shard)))
        folder.finish(stage_of(shard), {**folder.summary(stage_of(shard)), "checksum": whole})
    before = [told(shard) for shard in shards]
    world.erase()
    assert [told(shard) for shard in shards] == [checksum(folder.read_table(lists_file(shard))) for shard in shards]
    assert [told(shard) for shard in shards] != before
    assert nightly.publish(world.config, RUNS[1])["published"]


def test_a_file_that_lost_rows_in_another_way_is_still_noticed(world: World) -> None:
    folder = world.folder()
    world.erase()
    shard = folder.summary("plan_shards")["shards"][0]
    folder.write_table(lists_file(shard), folder.read_table(lists_file(shard)).slice(1))
    world.erase()
    with pytest.raises(OutputRefused, match="rows but its file holds"):
        nightly.publish(world.config, RUNS[1])
