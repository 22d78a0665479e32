"""A report is made of what there is: the database away, the disk full, files gone or damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from recommender_job import nightly
from recommender_job.errors import DatabaseAway, SchemaMissing, StorageFailed
from recommender_job.operating import MetricsConfig
from tests.reporting.conftest import World
from tests.storage.test_artifacts_failures import files_of_at_most


def test_without_a_database_the_rest_is_written_and_the_stage_fails(world: World) -> None:
    config = world.config.model_copy(update={"database_url": SecretStr("postgresql://nobody@127.0.0.1:1/none")})
    lost = World(config, world.database)
    with pytest.raises(DatabaseAway):
        lost.report()
    text = nightly.report_html(world.config, "second")
    lost = "what the website shows; earlier nights; the ratings of the last accepted night; what changed since"
    assert f"Missing are: {lost} the last lists." in text
    assert "what the website shows could not be read: The database cannot be reached" in text
    assert text.count("Not known: it could not be read") == 2
    for false in ("No earlier night is on record", "no lists of an earlier night"):
        assert false not in text
    assert "Differences that the gate looks at" in text


def test_what_the_database_cannot_tell_is_an_error_after_the_night_is_kept(world: World) -> None:
    world.run("alter table recommender.profile rename to profile_gone")
    with pytest.raises(SchemaMissing, match="profile"):
        world.report()
    assert world.night()["outcome"] == "published"
    text = nightly.report_html(world.config, "second")
    assert "Missing are: the ratings of the last accepted night." in text
    assert "lists went live as publication 2" in text
    assert "Publication 2 beside 1" in text
    assert "Not known" not in text


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
    assert "has not finished in this run" not in text
    assert text.count("Not known: it could not be read") == name.startswith("score")


def test_nothing_published_yet_is_not_a_trouble(world: World) -> None:
    world.run("delete from recommender.active_publication")
    world.run("alter table recommender.profile rename to profile_gone")
    world.unfinish("clean")
    with pytest.raises(SchemaMissing, match="profile"):
        world.report()
    assert "the website shows nothing yet" in nightly.report_html(world.config, "second")


def unreadable(world: World, name: str) -> None:
    """A file that is a folder cannot be read, by whatever account."""
    world.folder().remove(name)
    Path(world.folder().url(name)).mkdir()


@pytest.mark.parametrize(
    "name", ["evaluate/predictions.parquet", "score/lists-0001.parquet", "plan/experiences.parquet"]
)
def test_a_store_that_fails_for_a_file_is_named_and_the_rest_is_made(world: World, name: str) -> None:
    unreadable(world, name)
    text = world.html()
    assert "Not all of this report could be made" in text
    assert f"{name}: Is a directory." in text
    assert world.night()["report"] is not None


def test_a_defect_of_the_page_loses_neither_the_night_nor_the_figures(world: World, tmp_path: Path) -> None:
    summary = world.folder().summary("evaluate")
    world.folder().finish("evaluate", {**summary, "calibration": {"bins": "odd"}})
    with pytest.raises(TypeError):
        world.report(metrics=MetricsConfig(textfile=tmp_path))
    assert (world.night()["outcome"], world.night()["report"]) == ("published", None)
    assert 'recommender_night_outcome{outcome="published"} 1' in (tmp_path / "recommender.prom").read_text("utf-8")


def test_a_full_disk_and_a_missing_table_keep_the_night_and_the_figures(world: World, tmp_path: Path) -> None:
    world.run("alter table recommender.profile rename to profile_gone")
    Path(world.folder().url("report")).write_text("no folder", "utf-8")
    with pytest.raises(StorageFailed, match="report"):
        world.report(metrics=MetricsConfig(textfile=tmp_path))
    assert (world.night()["outcome"], world.night()["report"]) == ("published", None)
    assert (tmp_path / "recommender.prom").exists()


def test_figures_that_cannot_be_written_are_an_error_after_the_report(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder", "utf-8")
    with pytest.raises(StorageFailed, match=r"recommender\.prom cannot be written"):
        world.report(metrics=MetricsConfig(textfile=tmp_path / "file"))
    assert world.night()["report"] == world.folder().url(nightly.REPORT)
    assert "lists went live" in nightly.report_html(world.config, "second")


def test_a_damaged_summary_counts_as_unfinished(world: World) -> None:
    world.folder().write_text("finished/train.json", "{")
    assert "has not got past train" in world.html()
