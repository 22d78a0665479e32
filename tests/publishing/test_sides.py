"""What lists are looked at beside, shard by shard: nothing of another shard, and nothing left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_job.publishing import sides as module
from recommender_job.publishing.sides import Live, Side, Sides
from recommender_job.ratings.clean import CLEAN
from recommender_job.scoring.eligibility import shard_of
from recommender_job.storage.database import Database
from tests.publishing.by_hand import publish

NOTHING = pd.DataFrame({"user_id": [], "experience_id": []}, dtype="int64")


def pairs(frame: pd.DataFrame) -> list[tuple[int, ...]]:
    return sorted(frame[["user_id", "experience_id"]].itertuples(index=False, name=None))


def test_every_row_is_at_the_side_of_its_users_shard(website: Any, tmp_path: Path) -> None:
    folder, whole = website.folder, website.folder.read_frame(CLEAN)
    planned, people = (folder.read_frame(name) for name in ("plan/users.parquet", "extract/users.parquet"))
    found = list(Sides(folder, [0, 1], 2, tmp_path / "sides"))
    assert len(found) == 2
    for shard, side in enumerate(found):
        here = whole[shard_of(whole["user_id"].to_numpy(), 2) == shard]
        assert pairs(side.rated) == pairs(here)
        assert side.rated["user_id"].is_monotonic_increasing
        assert side.planned.tolist() == planned.loc[planned["shard"] == shard, "user_id"].tolist()
        active = people.loc[people["is_active"] & (shard_of(people["user_id"].to_numpy(), 2) == shard), "user_id"]
        assert sorted(side.active) == sorted(active)
        assert side.opt_outs.empty


def test_a_shard_that_holds_nobody_has_a_side_too(website: Any, tmp_path: Path) -> None:
    first, second = Sides(website.folder, [0], 2, tmp_path / "sides")
    assert len(first.planned)
    assert second.planned.tolist() == []
    assert len(second.active)


def test_the_live_lists_are_those_of_the_asked_publication(database: Database, tmp_path: Path) -> None:
    publish(database, {1: [10]})
    asked = publish(database, {3: [10, 20], -4: [30], 5: [20]})
    live = Live(2, tmp_path / "live")
    with database.transaction() as transaction:
        live.read(transaction, asked)
    found = [live.of(shard) for shard in (0, 1)]
    assert sorted(pairs(found[0]) + pairs(found[1])) == [(-4, 30), (3, 10), (3, 20), (5, 20)]
    for shard in (0, 1):
        assert (shard_of(found[shard]["user_id"].to_numpy(), 2) == shard).all()
        assert found[shard]["user_id"].is_monotonic_increasing


def test_of_many_live_lists_some_users_are_read_by_lot(database: Database, tmp_path: Path) -> None:
    users = 4_000
    asked = publish(database, {user: [10, 20] for user in range(users)})
    drawn = []
    for sample in (400, 400, 1_000, users):
        live = Live(2, tmp_path / str(len(drawn)))
        with database.transaction() as transaction, patch.object(module, "LIVE_USERS", sample):
            live.read(transaction, asked)
        found = pd.concat([live.of(shard) for shard in (0, 1)])
        owners = found["user_id"].unique()
        assert pairs(found) == [(user, one) for user in sorted(owners) for one in (10, 20)], "whole lists"
        assert len(owners) == pytest.approx(sample, rel=0.2)
        assert live.share == pytest.approx(sample / users, rel=0.01)
        # Neither the first of them nor those of a shard: by lot.
        assert (owners < users // 2).mean() == pytest.approx(0.5, abs=0.1)
        assert (shard_of(owners, 2) == 0).mean() == pytest.approx(0.5, abs=0.1)
        drawn.append({*owners})
    assert drawn[0] == drawn[1] < drawn[2]
    assert len(drawn[3]) == users


def test_what_planned_users_leave_out(website: Any, spoilable: Any, tmp_path: Path) -> None:
    planned = spoilable.read_frame("plan/users.parquet")
    user, gone = int(planned["user_id"].iloc[0]), int(planned["user_id"].iloc[1])
    spoilable.write_table("plan/users.parquet", planned[planned["user_id"] != gone])
    spoilable.write_table("plan/opt_outs.parquet", pd.DataFrame({"user_id": [user], "experience_id": [7000]}))
    found = pd.concat(list(Sides(spoilable, [0, 1], 2, tmp_path / "sides").left_out()))
    rated = spoilable.read_frame(CLEAN)
    assert pairs(found) == sorted([*pairs(rated[rated["user_id"].isin(planned["user_id"].drop(1))]), (user, 7000)])


@given(
    st.lists(st.integers(-9, 9), unique=True).map(sorted),
    st.lists(st.integers(-9, 9)).map(sorted),
    st.integers(1, 4),
)
def test_parts_hold_every_user_and_row_once(planned: list[int], users: list[int], at_once: int) -> None:
    table = pd.DataFrame({"user_id": users, "experience_id": range(len(users))}, dtype="int64")
    side = Side(np.array(planned, np.int64), np.zeros(0, np.int64), NOTHING, NOTHING)
    with patch.object(module, "USERS_AT_ONCE", at_once):
        parts = list(side.parts(table, NOTHING))
    assert [user for own, _ in parts for user in own] == planned
    assert [place for _, (rows, _) in parts for place in rows["experience_id"]] == list(range(len(users)))
    assert all(len(own) <= at_once for own, _ in parts)
    for own, (rows, nothing) in parts:
        assert nothing.empty
        assert {*rows["user_id"]} & {*planned} <= {*own}


@pytest.mark.parametrize("at_once", [1, 7])
def test_a_night_is_the_same_however_many_users_are_looked_at_at_once(website: Any, at_once: int) -> None:
    first = website.publish("first", **{"checks.min_users": 10})
    with patch.object(module, "USERS_AT_ONCE", at_once):
        second = website.publish("second", days=1, **{"checks.min_users": 10})
    assert (second["rows"], second["distinct_lists"], second["overlap"]) == (
        first["rows"],
        first["distinct_lists"],
        1.0,
    )
