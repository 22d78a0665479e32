"""Files that cannot be read, leftovers of killed attempts, and runs that may still be running."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from upath import UPath

from recommender_job import nightly
from recommender_job.erasing.erase import raise_if_incomplete
from recommender_job.erasing.receipts import erasures
from recommender_job.errors import ArtifactBroken, StorageFailed
from recommender_job.storage.artifacts import RunFolder
from tests.erasing.conftest import ERASED, World

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)


def spoil(file: Path, column: str = "user_id") -> None:
    """Flips a byte: of a column's data in a Parquet file, in the middle of another."""
    content = bytearray(file.read_bytes())
    place = len(content) // 2
    if file.suffix == ".parquet":
        table = pq.ParquetFile(file)
        chunk = table.metadata.row_group(0).column(table.schema_arrow.names.index(column))
        place = (chunk.dictionary_page_offset or chunk.data_page_offset) + chunk.total_compressed_size - 1
    content[place] ^= 0xFF
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "served"),
    [
        ("clean/ratings.parquet", "rewritten"),
        ("plan/users.parquet", "rewritten"),
        ("train/challenger/network-0/weights.npz", "rewritten"),
        ("train/challenger/weights.json", "rewritten"),
        ("refit/model/network-0/weights.npz", "removed"),
        ("refit/model/weights.json", "removed"),
        ("finished/publish.json", "rewritten"),
    ],
)
def test_a_damaged_file_is_told_after_everything_else_is_erased(world: World, name: str, served: str) -> None:
    spoil(world.runs / "second" / name)
    receipt = world.erase()
    assert [cause.split(" is damaged")[0] for cause in receipt["runs"]["second"]["unreadable"]] == [
        str(world.runs / "second" / name)
    ]
    assert receipt["runs"]["second"]["served"] == served
    assert receipt["complete"] is False
    assert set(world.traces()) <= {f"second/{name}"}
    with pytest.raises(ArtifactBroken, match=rf"1 files cannot be read.*{name}.*is damaged"):
        raise_if_incomplete(receipt)
    assert erasures(world.database)[0]["state"] == "incomplete"
    (world.runs / "second" / name).unlink()
    assert (world.runs / "second" / nightly.SAVED_MODEL).exists() == (served == "rewritten")
    again = world.erase()
    assert world.traces() == []
    if not name.endswith("weights.json"):  # a model without it is none
        raise_if_incomplete(again)


def test_damage_behind_the_ids_is_noticed_when_the_file_is_written(world: World) -> None:
    spoil(world.runs / "second" / "extract" / "snapshot.parquet", "rating")
    receipt = world.erase()
    assert len(receipt["runs"]["second"]["unreadable"]) == 1
    assert receipt["runs"]["second"]["files"] == receipt["runs"]["first"]["files"] - 1
    assert receipt["runs"]["second"]["rows"] < receipt["runs"]["first"]["rows"]
    assert world.traces() == ["second/extract/snapshot.parquet"]


def leave(file: Path, age: timedelta) -> None:
    """A file with the user in it that was last written some time before NOW."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"PAR1 {ERASED}")
    moment = (NOW - age).timestamp()
    os.utime(file, (moment, moment))


def test_leftovers_of_killed_attempts_go_but_not_what_may_be_in_use(world: World) -> None:
    first = world.runs / "first"
    old, young = timedelta(hours=1), timedelta(minutes=59)
    leave(first / "clean" / ".ratings.parquet.0123abcd.tmp", old)
    leave(first / ".extract-snapshot.parquet.scratch" / "whole", old)
    leave(first / ".extract-snapshot.parquet.scratch" / "deeper" / "spill", old)
    leave(first / "extract" / ".snapshot.parquet.0123abcd.tmp", young)
    leave(first / ".score-predictions-0000.parquet.scratch" / "whole", young)
    leave(first / ".score-predictions-0000.parquet.scratch" / "spill", old)
    receipt = world.erase(now=NOW)
    with pytest.raises(StorageFailed, match=r"may be writing.*first: \.score-predictions"):
        raise_if_incomplete(receipt)
    assert receipt["complete"] is False
    receipt = receipt["runs"]["first"]
    assert receipt["leftovers"] == 2
    in_use = [".score-predictions-0000.parquet.scratch", "extract/.snapshot.parquet.0123abcd.tmp"]
    assert receipt["in_use"] == in_use
    assert {str(file.relative_to(first)) for file in first.rglob(".*")} == set(in_use)
    # What these are to become was not touched.
    assert {"first/extract/snapshot.parquet", "first/score/predictions-0000.parquet"} > {
        trace for trace in world.traces() if "/." not in trace
    }
    receipt = world.erase(now=NOW + timedelta(minutes=1))["runs"]["first"]
    assert receipt["leftovers"] == 2
    assert world.traces() == []
    assert not list(first.rglob(".*"))


def test_a_run_that_has_not_published_is_named(world: World) -> None:
    RunFolder(world.config.runs, "second").begin("publish")
    (world.runs / "third").mkdir()
    runs = world.erase()["runs"]
    assert "finished" not in runs["first"]
    assert runs["second"]["finished"] is False
    assert runs["third"] == {"finished": False}


def test_a_file_of_a_foreign_kind_is_named(world: World) -> None:
    (world.runs / "first" / "notes.txt").write_text("remember")
    (world.runs / "first" / "train" / "notes.csv").write_text("remember")
    (world.runs / "a file beside the run folders").write_text("remember")
    assert world.erase()["runs"]["first"]["unknown"] == ["notes.txt", "train/notes.csv"]


def test_before_the_first_night_there_is_nothing_to_look_at(world: World) -> None:
    config = world.config.model_copy(update={"runs_url": str(world.runs / "not yet")})
    assert World(config, world.database).erase()["looked_at"] == 0


def test_another_store(world: World) -> None:
    """Anything that fsspec reaches; here one in memory."""
    config = world.config.model_copy(update={"runs_url": f"memory://{world.runs.parent.name}"})
    there = UPath(config.runs)
    there.fs.put(f"{world.runs}/", f"{there.path}/", recursive=True)
    runs = World(config, world.database).erase()["runs"]
    assert runs == world.erase()["runs"]
    assert sorted(runs) == ["first", "second"]
    for file in there.fs.find(there.path):
        assert str(ERASED).encode() not in there.fs.cat_file(file)
    table = RunFolder(config.runs, "first").read_table("clean/ratings.parquet")
    assert table.equals(RunFolder(world.config.runs, "first").read_table("clean/ratings.parquet"))
