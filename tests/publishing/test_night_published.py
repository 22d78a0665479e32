"""A whole night, from a ratings file to what the website reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recommender_job import nightly
from recommender_job.config import Config
from recommender_job.errors import GateBlocked
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.importer import import_ratings
from recommender_job.ratings.sample import sample_ratings
from recommender_job.runs import Run
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database

NIGHT = Run.at(datetime(2024, 1, 1, tzinfo=UTC))


@pytest.fixture
def rated(database: Database, tmp_path: Path) -> pd.DataFrame:
    """Sixty users and twenty experiences in the source; user 1 is inactive, so is the experience with the lowest id."""
    frame = sample_ratings(60, 20, seed=1)
    frame.to_csv(tmp_path / "ratings.csv", index=False)
    import_ratings(database, tmp_path / "ratings.csv", Columns(), now=NIGHT.cutoff, scale=(1.0, 5.0))
    with database.transaction() as transaction:
        transaction.run("update website.users set is_active = false where user_id = 1")
        transaction.run(
            "update website.experiences set is_active = false"
            " where experience_id = (select min(experience_id) from website.experiences)"
        )
        transaction.run("insert into website.users (user_id) values (1000)")  # active, but has rated nothing
        return pd.DataFrame(transaction.rows("select distinct user_id, experience_id from website.ratings"))


def read(database: Database, sql: str) -> list[dict[str, Any]]:
    with database.transaction() as transaction:
        return transaction.rows(sql)


def test_every_active_user_has_a_full_list_of_new_experiences(
    make_config: Callable[..., Config], database: Database, rated: pd.DataFrame
) -> None:
    reported: list[tuple[str, bool]] = []
    config = make_config({"top_n": 6, "gate.max_rmse": 5, "model.epochs": 15})
    result = nightly.run_night(
        config, NIGHT, report=lambda stage, summary: reported.append((stage, summary is not None))
    )
    assert result["published"] is True
    stages = ["extract", "clean", "train", "evaluate", "gate", "refit", "plan_shards", "score-0000", "score-0001"]
    assert list(result["stages"]) == [*stages, "publish"]
    assert RunFolder(config.runs, NIGHT.folder).summary("report")["outcome"] == "published"
    assert reported == [(stage, ended) for stage in [*stages, "publish"] for ended in (False, True)]

    shown = read(database, "select * from recommender.recommendations order by user_id, rank")
    people = sorted(set(rated["user_id"]) - {1})
    assert len(people) == 59
    had = set(rated.itertuples(index=False, name=None))
    offered = {row["experience_id"] for row in read(database, "select * from website.experiences where is_active")}
    left = {user: min(6, sum((user, e) not in had for e in offered)) for user in people}
    assert Counter(row["user_id"] for row in shown) == left
    for user in people:
        own = [row for row in shown if row["user_id"] == user]
        assert [row["rank"] for row in own] == list(range(1, left[user] + 1))
        scores = [row["predicted_rating"] for row in own]
        assert scores == sorted(scores, reverse=True)
    assert all((row["user_id"], row["experience_id"]) not in had for row in shown)
    assert all(row["experience_id"] in offered for row in shown)
    assert all(1 <= row["predicted_rating"] <= 5 for row in shown)
    assert {row["publication_id"] for row in shown} == {result["publication_id"]}
    default = read(database, "select * from recommender.default_recommendations")
    assert len(default) == 6
    assert {row["experience_id"] for row in default} <= offered

    # Published again, the same run shows the same lists under another id.
    again = nightly.publish(config, NIGHT)
    columns = "user_id, rank, experience_id, predicted_rating"
    lists = f"select {columns} from recommender.recommendations order by user_id, rank"
    assert [list(row.values()) for row in read(database, lists)] == [
        [row[name.strip()] for name in columns.split(",")] for row in shown
    ]
    assert (again["live_before"], again["pruned"]) == (result["publication_id"], [])


def test_a_blocked_night_leaves_the_website_as_it_was(
    make_config: Callable[..., Config], database: Database, rated: pd.DataFrame
) -> None:
    assert len(rated) > 0
    config = make_config({"gate.max_rmse": 0.01, "model.epochs": 1})
    with pytest.raises(GateBlocked, match=r"above the bound gate\.max_rmse 0\.01") as caught:
        nightly.run_night(config, NIGHT)
    blocked = caught.value
    assert (blocked.run_id, blocked.stage) == (NIGHT.run_id, "gate")
    assert blocked.figures == nightly.result(config, NIGHT.run_id)
    assert blocked.figures["gate"]["passed"] is False
    assert blocked.figures["published"] is False
    assert list(blocked.figures["stages"]) == ["extract", "clean", "train", "evaluate"]
    assert read(database, "select * from recommender.publication") == []
