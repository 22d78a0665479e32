"""Damaged files and a full disk in every stage: a clear error, no half stage, and the lists stay as they were."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from recommender_job import nightly
from recommender_job.config import Config
from recommender_job.errors import ArtifactBroken, RecommenderError, StageMissing, StorageFailed
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Transaction
from tests.small_night import RUN, SmallNight, small_night
from tests.storage.test_artifacts_failures import files_of_at_most

VIEWS = ("recommendations", "default_recommendations", "recommendation_status")


@pytest.fixture(scope="module")
def night(server: sa.URL, tmp_path_factory: pytest.TempPathFactory) -> SmallNight:
    """A good night, live. Tests damage copies of its folder."""

    def arrange(transaction: Transaction) -> None:
        transaction.run("insert into website.do_not_recommend select user_id, 8 from website.users")
        transaction.run("insert into website.experience_rules (experience_id, group_name) values (3, 'a'), (4, 'b')")

    return small_night(server, tmp_path_factory.mktemp("bad-night"), arrange)


@pytest.fixture
def copy(night: SmallNight, tmp_path: Path) -> Config:
    """Settings whose run folder is a copy."""
    shutil.copytree(night.folder.path.path, tmp_path / "runs" / RUN.folder)
    return night.config.model_copy(update={"runs_url": str(tmp_path / "runs")})


def shown(night: SmallNight) -> list[list[dict[str, Any]]]:
    return [night.rows(f"select * from recommender.{view} order by 1, 2") for view in VIEWS]


def books(night: SmallNight) -> list[list[dict[str, Any]]]:
    return [
        night.rows(f"select * from recommender.{table} order by 1")
        for table in ("publication", "active_publication", "profile")
    ]


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    # Among the first pages of a table: what a flipped byte of its footer can do is in the tests of the run folder.
    middle = len(content) // 2
    for place in range(40, 80, 8) if file.suffix == ".parquet" else [middle]:
        content[place] ^= 0x40
    file.write_bytes(content)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def something_else(file: Path) -> None:
    file.write_bytes(b"<html>Service unavailable</html>")


READ_BY = {
    "extract/snapshot.parquet": "clean",
    "extract/users.parquet": "clean",
    "extract/experiences.parquet": "clean",
    "clean/ratings.parquet": "train",
    "train/holdout.parquet": "evaluate",
    "train/train.parquet": "evaluate",
    "train/challenger/relevance.npz": "evaluate",
    "train/challenger/network-0/weights.npz": "evaluate",
    "train/challenger/recipe.json": "refit",
    "extract/opt_outs.parquet": "plan_shards",
    "extract/experience_rules.parquet": "plan_shards",
    "plan/users.parquet": "score-0000",
    "plan/experiences.parquet": "score-0000",
    "plan/opt_outs.parquet": "score-0000",
    "refit/model/network-0/weights.npz": "score-0000",
    "refit/model/weights.json": "score-0000",
    "score/lists-0000.parquet": "publish",
    "refit/model/recipe.json": "publish",
}


def run_stage(config: Config, stage: str) -> None:
    if stage.startswith("score-"):
        nightly.score(config, RUN, int(stage[-4:]))
    else:
        getattr(nightly, stage)(config, RUN)


def assert_refused(night: SmallNight, config: Config, stage: str, error: type[RecommenderError]) -> RecommenderError:
    before, written = shown(night), books(night)
    with pytest.raises(error) as caught:
        run_stage(config, stage)
    assert shown(night) == before
    assert books(night) == written
    folder = RunFolder(config.runs, RUN.folder)
    assert folder.summary_if_finished(stage) is None
    hidden = [path for path in Path(folder.path.path).rglob(".*")]
    assert hidden == []
    assert (caught.value.run_id, caught.value.stage) == (RUN.run_id, stage)
    assert caught.value.action
    return caught.value


@pytest.mark.parametrize("damage", [cut, flip, empty, something_else, Path.unlink])
@pytest.mark.parametrize("name", READ_BY)
def test_a_damaged_file_is_named_by_the_stage_that_reads_it(
    night: SmallNight, copy: Config, name: str, damage: Callable[[Path], None]
) -> None:
    file = Path(RunFolder(copy.runs, RUN.folder).url(name))
    if damage is flip and name.endswith(".json"):
        damage = cut  # text has no checksum: a flipped byte may be a valid other value
    damage(file)
    error = assert_refused(night, copy, READ_BY[name], ArtifactBroken)
    assert str(file) in error.cause or str(file.parent) in error.cause
    assert "Clear" in error.action


@pytest.mark.parametrize(
    "stage", ["clean", "train", "evaluate", "gate", "refit", "plan_shards", "score-0000", "publish"]
)
def test_a_stage_without_the_one_before_it_says_so(night: SmallNight, copy: Config, stage: str) -> None:
    order = ["extract", "clean", "train", "evaluate", "gate", "refit", "plan_shards", "score-0000"]
    before = "refit" if stage == "publish" else order[order.index(stage) - 1]
    Path(RunFolder(copy.runs, RUN.folder).url(f"finished/{before}.json")).unlink()
    assert f"`{before}`" in assert_refused(night, copy, stage, StageMissing).cause


@pytest.mark.parametrize("stage", ["extract", "clean", "train", "refit", "plan_shards", "score-0000"])
def test_a_full_disk_is_told_and_leaves_no_half_file(night: SmallNight, copy: Config, stage: str) -> None:
    with files_of_at_most(300):
        assert_refused(night, copy, stage, StorageFailed)
    run_stage(copy, stage)  # with room again, the same call succeeds
