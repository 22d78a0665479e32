"""Publishing: what the website reads is exactly what was scored, and doing it again changes nothing else."""

from __future__ import annotations

import dataclasses
import uuid
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender_job import nightly
from recommender_job.publishing.popular import Totals, popular
from recommender_job.publishing.pruning import prune
from recommender_job.ranking.predictor import Predictor
from recommender_job.ranking.relevance import RelevanceModel
from recommender_job.ratings.clean import CLEAN
from recommender_job.runs import stage_of
from recommender_job.scoring.plan import PLANNED_EXPERIENCES, PLANNED_OPT_OUTS
from recommender_job.scoring.score import lists_file, score
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database

LOADERS = (Predictor.load, RelevanceModel.load)


def scored_lists(folder: RunFolder) -> pd.DataFrame:
    shards = folder.summary("plan_shards")["shards"]
    lists = pd.concat([folder.read_frame(lists_file(shard)) for shard in shards])
    return lists.sort_values(["user_id", "rank"], ignore_index=True)


def test_the_view_shows_exactly_the_scored_lists(website: Any) -> None:
    summary = website.publish()
    lists = scored_lists(website.folder)
    names = website.folder.read_frame(PLANNED_EXPERIENCES).set_index("experience_id")["name"]
    shown = pd.DataFrame(website.shown())
    for column in ("user_id", "rank", "experience_id"):
        assert shown[column].tolist() == lists[column].tolist()
    np.testing.assert_allclose(shown["predicted_rating"], lists["predicted_rating"], rtol=1e-6)
    assert shown["experience_name"].tolist() == lists["experience_id"].map(names).tolist()
    assert set(shown["source"]) == {"model"}
    assert set(shown["publication_id"]) == {summary["publication_id"]} == {website.active()}
    assert summary == {
        "publication_id": 1,
        "published": True,
        "users": lists["user_id"].nunique(),
        "rows": len(lists),
        "default_rows": 5,
        "distinct_lists": lists.groupby("user_id")["experience_id"].agg(frozenset).nunique(),
        "overlap": None,
        "live_before": None,
        "override": None,
        "pruned": [],
    }


def test_the_first_readers_need_not_write(website: Any) -> None:
    website.publish()
    pages = "select relallvisible = relpages and relpages > 0 from pg_class where relname = 'recommendation_1'"
    assert website.values(pages) == [True]


def test_the_default_list_and_the_status(website: Any) -> None:
    website.publish("night", days=1, fresh_hours=12)
    default = website.rows("select * from recommender.default_recommendations order by rank")
    best = popular(
        Totals.of(website.folder.read_frame(CLEAN)),
        website.folder.read_frame(PLANNED_EXPERIENCES),
        n=5,
        prior=10.0,
        scale=(1.0, 5.0),
    )
    assert [row["experience_id"] for row in default] == best["experience_id"].tolist()
    assert [row["rank"] for row in default] == [1, 2, 3, 4, 5]
    assert [row["reason"] for row in default] == best["reason"].tolist()
    assert all(reason.startswith("rated ") for reason in best["reason"])
    assert {(row["source"], row["publication_id"]) for row in default} == {("popular", 1)}
    assert list(default[0]) == [
        "rank", "experience_id", "experience_name", "predicted_rating", "source", "publication_id", "reason",
    ]  # fmt: skip
    status = website.rows("select * from recommender.recommendation_status")[0]
    assert status["run_id"] == "night"
    assert status["data_through"].isoformat() == "2024-01-02T00:00:00+00:00"
    assert status["expires_at"].isoformat() == "2024-01-02T12:00:00+00:00"
    assert status["is_stale"] is True
    assert status["model_version"] == website.folder.summary("refit")["model_version"]
    assert status["rmse"] == website.folder.summary("evaluate")["rmse"]
    assert status["users"] == website.folder.summary("plan_shards")["users"]


def test_a_dry_run_builds_but_does_not_switch(website: Any) -> None:
    website.publish("first")
    before = website.shown()
    summary = website.publish("second", days=1, dry_run=True)
    assert summary["published"] is False
    assert summary["publication_id"] == 2
    assert website.shown() == before
    assert website.partitions() == ["recommendation_1", "recommendation_2"]
    assert website.values("select count(*) from recommender.recommendation where publication_id = 2") == [len(before)]
    assert website.values("select publication_id from recommender.publication where published_at is null") == [2]


def test_a_dry_run_on_an_empty_website_shows_nothing(website: Any) -> None:
    website.publish(dry_run=True)
    assert website.shown() == []
    assert website.rows("select * from recommender.default_recommendations") == []
    assert website.active() is None


def test_publishing_a_run_again_replaces_its_predecessor(website: Any) -> None:
    website.publish("other")
    website.publish("night", days=1)
    again = website.publish("night", days=1)
    assert again["publication_id"] == 3
    # A reader's transaction may still look at what was live a moment ago; the next one that publishes drops it.
    assert again["pruned"] == []
    assert prune(website.database, 3) == [2]
    assert website.active() == 3
    assert website.partitions() == ["recommendation_1", "recommendation_3"]
    kept = website.rows("select publication_id, run_id from recommender.publication order by 1")
    assert [(row["publication_id"], row["run_id"]) for row in kept] == [(1, "other"), (3, "night")]
    assert website.values("select distinct publication_id from recommender.default_recommendation order by 1") == [1, 3]


def test_users_for_whom_nothing_is_left_are_not_counted(website: Any, spoilable: RunFolder) -> None:
    planned = spoilable.read_frame(PLANNED_EXPERIENCES)["experience_id"]
    shard = spoilable.summary("plan_shards")["shards"][0]
    user = int(spoilable.read_frame(lists_file(shard))["user_id"].iloc[0])
    pairs = pd.DataFrame({"user_id": user, "experience_id": planned})
    spoilable.write_table(PLANNED_OPT_OUTS, pd.concat([spoilable.read_frame(PLANNED_OPT_OUTS), pairs]))
    config = website.make_config({"top_n": 5})
    summary = score(config, spoilable, shard, *(load(spoilable, nightly.FINAL) for load in LOADERS))
    spoilable.finish(stage_of(shard), summary)
    users = spoilable.summary("plan_shards")["users"]
    found = website.publish(folder=spoilable)
    assert found["users"] == users - 1
    assert website.values("select users from recommender.recommendation_status") == [users - 1]
    assert user not in {row["user_id"] for row in website.shown()}


@pytest.mark.parametrize("keep", [1, 2])
def test_only_so_many_publications_are_kept(website: Any, keep: int) -> None:
    for day in range(4):
        website.publish(f"night {day}", days=day, keep_publications=keep)
    kept = [3, 4]  # what was live before stays in any case
    assert website.partitions() == [f"recommendation_{number}" for number in kept]
    assert website.values("select publication_id from recommender.publication order by 1") == kept
    attached = (
        "select inhrelid::regclass::text from pg_inherits where inhparent = 'recommender.recommendation'::regclass"
    )
    assert sorted(website.values(attached)) == [f"recommender.recommendation_{number}" for number in kept]
    assert len(website.shown()) == website.folder.summary("plan_shards")["users"] * 5


def test_an_account_with_the_writers_role_is_enough(website: Any) -> None:
    account = f"job_{uuid.uuid4().hex}"
    with website.database.transaction() as transaction:
        transaction.define("create role {account} login in role recommender_writer", {"account": account})
    own = dataclasses.replace(website, database=Database(website.database.url.set(username=account)))
    for day in range(3):
        assert own.publish(f"night {day}", days=day, keep_publications=1)["published"] is True
    assert website.partitions() == ["recommendation_2", "recommendation_3"]
    assert {row["publication_id"] for row in website.shown()} == {3}


def test_names_may_hold_anything(website: Any, spoilable: RunFolder) -> None:
    planned = spoilable.read_frame(PLANNED_EXPERIENCES)
    names = ['a "quoted" one', "commas, too", "two\nlines", "back\\slash \\N", "", "NULL", "ñandú ☕ 日本", "\\."]
    planned["name"] = [names[place % len(names)] for place in range(len(planned))]
    spoilable.write_table(PLANNED_EXPERIENCES, planned)
    website.publish(folder=spoilable)
    expected = planned.set_index("experience_id")["name"].to_dict()
    shown = website.shown()
    assert shown
    assert all(row["experience_name"] == expected[row["experience_id"]] for row in shown)
