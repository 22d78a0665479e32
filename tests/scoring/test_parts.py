"""A shard's users in parts: each with their own ratings and opt-outs, and nobody else's."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_job.errors import ArtifactBroken
from recommender_job.ratings.clean import CLEAN
from recommender_job.scoring import parts as module
from recommender_job.scoring.parts import part_size, parts_of_shard
from recommender_job.scoring.plan import PLANNED_OPT_OUTS, PLANNED_USERS
from recommender_job.storage import run_files
from recommender_job.storage.artifacts import RunFolder

IDS = st.integers(-3, 12) | st.sampled_from([-(2**63), 2**63 - 1])
PAIRS = st.lists(st.tuples(IDS, st.integers(0, 5)), max_size=30)


def written(folder: RunFolder, planned: dict[int, int], **pairs: list[tuple[int, int]]) -> None:
    users = pd.DataFrame(sorted(planned.items()), columns=["user_id", "shard"], dtype="int64")
    folder.write_table(PLANNED_USERS, users.sort_values(["shard", "user_id"]))
    for name, place in (("rated", CLEAN), ("opt_outs", PLANNED_OPT_OUTS)):
        frame = pd.DataFrame(pairs.get(name, []), columns=["user_id", "experience_id"], dtype="int64")
        folder.write_table(place, frame.assign(rating=3.0))


@given(planned=st.dictionaries(IDS, st.integers(0, 2)), rated=PAIRS, opt_outs=PAIRS, together=st.integers(1, 6))
def test_each_part_holds_its_users_pairs_in_the_order_of_the_file(
    tmp_path_factory: pytest.TempPathFactory,
    planned: dict[int, int],
    rated: list[tuple[int, int]],
    opt_outs: list[tuple[int, int]],
    together: int,
) -> None:
    place = tmp_path_factory.mktemp("parts")
    folder, scratch = RunFolder(str(place), "a-run"), place / "scratch"
    scratch.mkdir()
    written(folder, planned, rated=rated, opt_outs=opt_outs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "USERS_TOGETHER", together)
        patch.setattr(run_files, "BATCH", 4)
        found = list(parts_of_shard(folder, 1, scratch))
    own = sorted(user for user, shard in planned.items() if shard == 1)
    assert [user for part in found for user in part.users.tolist()] == own
    for part in found:
        assert 1 <= len(part.users) <= together
        for frame, pairs in ((part.rated, rated), (part.opt_outs, opt_outs)):
            expected = [pair for pair in pairs if pair[0] in part.users]
            assert list(frame.itertuples(index=False, name=None)) == expected


def test_parts_are_smaller_where_users_rate_much_and_never_too_many() -> None:
    assert part_size(1_000_000, 10_000_000) == 50_000
    assert part_size(1_000_000, 100_000_000) == 10_000
    assert part_size(1_000_000, 0) == 50_000
    assert part_size(10, 10**12) == 1
    assert part_size(10**9, 10**9) == -(-(10**9) // 4096)


def test_ratings_bound_a_part_too(folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RATINGS_TOGETHER", 20)
    written(folder, dict.fromkeys(range(10), 0), rated=[(user, one) for one in range(10) for user in range(10)])
    found = list(parts_of_shard(folder, 0, tmp_path))
    assert [len(part.rated) for part in found] == [20] * 5


def test_a_damaged_plan_is_told(folder: RunFolder, tmp_path: Path) -> None:
    written(folder, {1: 0})
    folder.write_table(PLANNED_USERS, pd.DataFrame({"user_id": [1]}))
    with pytest.raises(ArtifactBroken, match=r"plan/users\.parquet is damaged"):
        list(parts_of_shard(folder, 0, tmp_path))
