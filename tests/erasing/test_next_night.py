"""The night after an erasure: the source still has the user, and nothing brings the user back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from recommender_job import nightly
from recommender_job.erasing.receipts import lift
from recommender_job.runs import Run, stage_of
from tests.erasing.conftest import CUTOFF, ERASED, World


@pytest.mark.parametrize("full_read", [False, True])
def test_the_next_night_leaves_the_user_out_until_it_is_lifted(world: World, full_read: bool) -> None:
    world.erase()
    config = world.config.model_copy(update={"full_read": full_read})
    for day in (2, 3):
        run = Run(f"day {day}", CUTOFF + timedelta(days=day))
        for stage in (nightly.extract, nightly.clean, nightly.train, nightly.evaluate):
            stage(config, run)
        world.folder(run).finish("gate", {"passed": True})
        nightly.refit(config, run)
        for shard in nightly.plan_shards(config, run)["shards"]:
            nightly.score(config, run, shard)
            assert world.folder(run).summary(stage_of(shard))["rows"]
        nightly.publish(config, run)
        found = world.rows("select 1 from recommender.recommendations where user_id = :user", user=ERASED)
        if day == 2:
            assert world.traces() == []
            assert found == []
            lift(world.database, ERASED)
        else:
            assert len(found) == 5
