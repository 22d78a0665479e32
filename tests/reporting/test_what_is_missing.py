"""A report is made of what there is: the database away, the disk full, files gone or damaged."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from recommender_job import nightly
from recommender_job.errors import DatabaseAway, SchemaMissing, StorageFailed
from tests.reporting.conftest import World
from tests.storage.test_artifacts_failures import files_of_at_most


def test_without_a_database_the_rest_is_written_and_the_stage_fails(world: World) -> None:
    config = world.config.model_copy(update={"database_url": SecretStr("postgresql://nobody@127.0.0.1:1/none")})
    lost = World(config, world.database)
    with pytest.raises(DatabaseAway):
        lost.report()
    text = nightly.report_html(world.config, "second")
    assert "What the website shows, earlier nights and what changed are missing." in text
    assert "could not be read" in text
    assert "Differences that the gate looks at" in text


def test_what_the_database_cannot_tell_is_an_error_after_the_night_is_kept(world: World) -> None:
    world.run("alter table recommender.profile rename to profile_gone")
    with pytest.raises(SchemaMissing, match="profile"):
        world.report()
    assert world.night()["outcome"] == "published"
    assert "Not all of this report could be made" in nightly.report_html(world.config, "second")


def test_a_full_disk_keeps_the_night_without_its_report(world: World) -> None:
    with files_of_at_most(300), pytest.raises(StorageFailed):
        world.report()
    assert (world.night()["outcome"], world.night()["report"]) == ("published", None)


@pytest.mark.parametrize("name", ["evaluate/predictions.parquet", "score/lists-0001.parquet"])
def test_what_cannot_be_read_is_named_and_left_out(world: World, name: str) -> None:
    world.folder().remove(name)
    text = world.html()
    assert "Not all of this report could be made" in text
    assert f"{name} is not there." in text


def test_a_damaged_summary_counts_as_unfinished(world: World) -> None:
    world.folder().write_text("finished/train.json", "{")
    assert "has not got past train" in world.html()
