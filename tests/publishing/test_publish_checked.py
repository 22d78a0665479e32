"""Rules, erased users and the lists as a whole are looked at before the switch."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from recommender_job.errors import ArtifactBroken, OutputRefused
from recommender_job.publishing import sides
from recommender_job.ratings.clean import CLEAN
from recommender_job.scoring.score import lists_file
from recommender_job.storage.artifacts import RunFolder
from tests.publishing.test_publish_refusals import write_as_if_scored

#: Under which the few users of the sample are judged as a whole, by no bound yet.
JUDGED = {"checks.min_users": 10, "checks.min_overlap": 0.0, "checks.min_distinct_lists": 0.0}


def test_the_figures_of_the_whole_are_kept(website: Any) -> None:
    assert website.publish("first", **JUDGED)["overlap"] is None
    second = website.publish("second", days=1, **JUDGED, dry_run=True)
    assert second["overlap"] == 1
    assert second["distinct_lists"] > 5
    kept = website.rows("select distinct_lists, overlap from recommender.publication order by publication_id")
    assert kept == [
        {"distinct_lists": second["distinct_lists"], "overlap": None},
        {"distinct_lists": second["distinct_lists"], "overlap": 1.0},
    ]


@pytest.mark.parametrize("sample", [sides.LIVE_USERS, 20])
def test_lists_unlike_the_live_ones_leave_nothing_behind(
    website: Any, monkeypatch: pytest.MonkeyPatch, sample: int
) -> None:
    monkeypatch.setattr(sides, "LIVE_USERS", sample)
    website.publish("first")
    with website.database.transaction() as transaction:
        transaction.run("update recommender.recommendation set experience_id = experience_id + 1000 where rank > 2")
    before = website.shown()
    # As many as there are, however few of them are looked at.
    strict = {**JUDGED, "checks.min_overlap": 0.5, "checks.min_users": 30}
    for dry in (True, False):
        with pytest.raises(OutputRefused, match=r"On average 40\.00% of a list .* checks\.min_overlap 0\.5"):
            website.publish("second", days=1, dry_run=dry, **strict)
    assert website.shown() == before
    assert website.partitions() == ["recommendation_1"]
    assert website.values("select count(*) from recommender.publication") == [1]
    # The sample has fewer users than are judged unless it is said.
    assert website.publish("second", days=1, **{"checks.min_overlap": 0.5})["overlap"] == pytest.approx(0.4)


def test_lists_that_are_all_the_same_leave_nothing_behind(website: Any, spoilable: RunFolder) -> None:
    users = spoilable.read_frame("plan/users.parquet")
    offered = spoilable.read_frame("plan/experiences.parquet")["experience_id"].tolist()
    # Everybody has rated one of the first ten; everybody is shown the same five of the others.
    rated = users.assign(experience_id=[offered[place % 10] for place in range(len(users))], rating=5.0)
    spoilable.write_table(CLEAN, rated.drop(columns="shard"))
    for shard in (0, 1):
        owners = users.loc[users["shard"] == shard, "user_id"]
        rows = [(user, rank, offered[9 + rank], 3.0) for user in owners for rank in range(1, 6)]
        lists = pd.DataFrame(rows, columns=["user_id", "rank", "experience_id", "predicted_rating"])
        write_as_if_scored(spoilable, shard, lists.astype({"rank": "int16", "predicted_rating": "float32"}))
    bound = {"checks.min_distinct_lists": 0.02}
    with pytest.raises(OutputRefused, match=r"only 1 different ones, .* half of the 6 that the default"):
        website.publish(folder=spoilable, **{**JUDGED, **bound})
    assert website.partitions() == []
    assert website.publish(folder=spoilable, **bound)["distinct_lists"] == 1


def test_an_erased_user_does_not_come_back(website: Any) -> None:
    erased = int(website.folder.read_frame("plan/users.parquet")["user_id"].iloc[3])
    with website.database.transaction() as transaction:
        enter = "insert into recommender.erasure (user_id, receipt) values (:user_id, '{}')"
        transaction.run_many(enter, [{"user_id": erased}, {"user_id": 10**9}])
    with pytest.raises(OutputRefused, match=f"1 users of this run were erased .* user {erased}") as caught:
        website.publish()
    assert "Clear `extract` and what follows." in caught.value.action
    assert website.partitions() == []


def test_rules_that_changed_after_the_plan_are_noticed(website: Any) -> None:
    offered = website.folder.read_frame("plan/experiences.parquet")["experience_id"].tolist()
    with pytest.raises(OutputRefused, match=f"1 excluded experiences are planned: experience {offered[2]}"):
        website.publish(**{"rules.excluded": str(offered[2])})
    assert website.partitions() == []


@pytest.mark.parametrize("name", ["plan/opt_outs.parquet", "extract/experience_rules.parquet"])
def test_a_run_of_an_older_version_is_told_what_to_do(website: Any, spoilable: RunFolder, name: str) -> None:
    spoilable.remove(name)
    with pytest.raises(ArtifactBroken, match=f"{name} is not there") as caught:
        website.publish(folder=spoilable)
    assert "Clear the stage that writes it" in caught.value.action


def test_opt_outs_of_the_plan_are_what_is_checked(website: Any, spoilable: RunFolder) -> None:
    row = spoilable.read_frame(lists_file(1)).iloc[7]
    pair = {"user_id": [int(row["user_id"])], "experience_id": [int(row["experience_id"])]}
    spoilable.write_table("plan/opt_outs.parquet", pd.DataFrame(pair))
    told = f"user {pair['user_id'][0]} \\(rank {int(row['rank'])}: experience {pair['experience_id'][0]}, "
    with pytest.raises(OutputRefused, match=f"that the user has opted out of: {told}"):
        website.publish(folder=spoilable)


def test_a_user_in_the_wrong_shard_is_noticed(website: Any, spoilable: RunFolder) -> None:
    planned = spoilable.read_frame("plan/users.parquet")
    moved = int(planned.loc[planned["shard"] == 1, "user_id"].iloc[0])
    spoilable.write_table(
        "plan/users.parquet", planned.assign(shard=planned["shard"].where(planned["user_id"] != moved, 0))
    )
    with pytest.raises(OutputRefused, match=f"1 active users with ratings are not in their shard: user {moved}"):
        website.publish(folder=spoilable)


def test_a_plan_of_an_older_version_is_told_what_to_do(website: Any, spoilable: RunFolder) -> None:
    plan = spoilable.summary("plan_shards")
    del plan["shards_in_all"]
    spoilable.finish("plan_shards", plan)
    with pytest.raises(ArtifactBroken, match="plan_shards") as caught:
        website.publish(folder=spoilable)
    assert "Clear the stage that writes it" in caught.value.action


def test_the_planned_users_are_held_to_the_source(website: Any, spoilable: RunFolder) -> None:
    people = spoilable.read_frame("extract/users.parquet")
    left = int(spoilable.read_frame("plan/users.parquet")["user_id"].iloc[0])
    spoilable.write_table(
        "extract/users.parquet", people.assign(is_active=people["is_active"] & (people["user_id"] != left))
    )
    with pytest.raises(OutputRefused, match=f"1 users are planned but are not active .*: user {left}"):
        website.publish(folder=spoilable)
