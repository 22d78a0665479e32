"""Damaged files in a run folder: noticed when they are read, never believed."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from recommender_job.errors import ArtifactBroken
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.seal import seal

FRAME = pd.DataFrame({"user_id": np.arange(5), "rating": np.arange(1, 6, dtype=np.float32)})
ARRAYS = {"vectors": np.linspace(0, 1, 20), "ids": np.arange(3)}
AGAIN = "Clear the stage that writes it and those after it."


@pytest.fixture
def table(folder: RunFolder) -> Path:
    folder.write_table("a.parquet", FRAME)
    return Path(folder.url("a.parquet"))


@pytest.fixture
def arrays(folder: RunFolder) -> Path:
    folder.write_arrays("a.npz", ARRAYS)
    return Path(folder.url("a.npz"))


def flip(file: Path, place: int) -> None:
    content = bytearray(file.read_bytes())
    content[place] ^= 0xFF
    file.write_bytes(content)


def every_damage(file: Path) -> Iterator[int]:
    """Flips one byte after the other, each time in an otherwise sound file; yields its place."""
    sound = file.read_bytes()
    for place in range(len(sound)):
        flip(file, place)
        yield place
        file.write_bytes(sound)


def test_a_flipped_byte_in_the_data_of_a_table(folder: RunFolder, table: Path) -> None:
    for column in range(2):
        chunk = pq.ParquetFile(table).metadata.row_group(0).column(column)
        start = min(chunk.data_page_offset, chunk.dictionary_page_offset or chunk.data_page_offset)
        last = start + chunk.total_compressed_size - 1
        flip(table, last)
        with pytest.raises(ArtifactBroken) as caught:
            folder.read_table("a.parquet")
        assert caught.value.cause.startswith(f"{table} is damaged: ")
        assert caught.value.action == AGAIN
        flip(table, last)
    pd.testing.assert_frame_equal(folder.read_frame("a.parquet"), FRAME)


def test_a_flipped_byte_in_the_data_of_arrays(folder: RunFolder, arrays: Path) -> None:
    place = arrays.read_bytes().index(ARRAYS["vectors"].tobytes()) + 80
    flip(arrays, place)
    with pytest.raises(ArtifactBroken) as caught:
        folder.read_arrays("a.npz")
    assert caught.value.cause.startswith(f"{arrays} is damaged: ")
    assert caught.value.action == AGAIN


def test_no_flipped_byte_changes_what_a_table_says(folder: RunFolder, table: Path) -> None:
    escaped: dict[int, object] = {}
    for place in every_damage(table):
        try:
            found = folder.read_frame("a.parquet")
        except ArtifactBroken:
            continue
        except Exception as error:  # whatever else is raised is the finding
            escaped[place] = error
            continue
        if not found.equals(FRAME):
            escaped[place] = "other content"
    assert escaped == {}


def test_no_flipped_byte_changes_what_arrays_say(folder: RunFolder, arrays: Path) -> None:
    escaped: dict[int, object] = {}
    for place in every_damage(arrays):
        try:
            found = folder.read_arrays("a.npz")
        except ArtifactBroken:
            continue
        except Exception as error:  # whatever else is raised is the finding
            escaped[place] = error
            continue
        if found.keys() != ARRAYS.keys() or not all(np.array_equal(found[name], ARRAYS[name]) for name in ARRAYS):
            escaped[place] = "other content"
    assert escaped == {}


READERS: dict[str, Callable[[RunFolder, str], Any]] = {
    "a.parquet": RunFolder.read_table,
    "a.npz": RunFolder.read_arrays,
    "a.json": RunFolder.read_json,
}


@pytest.mark.parametrize("name", READERS)
def test_a_file_that_is_not_there(folder: RunFolder, name: str) -> None:
    with pytest.raises(ArtifactBroken) as caught:
        READERS[name](folder, name)
    assert caught.value.cause == f"{folder.url(name)} is not there."
    assert caught.value.action == AGAIN


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("keep", [0, 1, 10, 200])
def test_a_file_that_was_cut_short(folder: RunFolder, table: Path, arrays: Path, name: str, keep: int) -> None:
    folder.write_json("a.json", {"numbers": list(range(100))})
    file = Path(folder.url(name))
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ArtifactBroken) as caught:
        READERS[name](folder, name)
    assert caught.value.cause.startswith(f"{file} is damaged: ")


@pytest.mark.parametrize("name", READERS)
def test_a_file_of_something_else(folder: RunFolder, name: str) -> None:
    folder.path.mkdir(parents=True)
    Path(folder.url(name)).write_bytes(b"\xff\xfe certainly not this" * 100)
    with pytest.raises(ArtifactBroken, match="is damaged"):
        READERS[name](folder, name)


def test_pickled_arrays_are_not_loaded(folder: RunFolder) -> None:
    folder.path.mkdir(parents=True)
    archive = io.BytesIO()
    np.savez(archive, allow_pickle=True, a=np.array([{"run": "me"}], dtype=object))
    seal(archive)
    Path(folder.url("a.npz")).write_bytes(archive.getvalue())
    with pytest.raises(ArtifactBroken, match="allow_pickle=False"):
        folder.read_arrays("a.npz")


def test_pickled_arrays_are_not_written(folder: RunFolder) -> None:
    with pytest.raises(ValueError, match="allow_pickle=False"):
        folder.write_arrays("a.npz", {"a": np.array([{"run": "me"}], dtype=object)})


def test_a_damaged_mark_is_not_a_finished_stage(folder: RunFolder) -> None:
    folder.finish("train", {"epochs": 3})
    Path(folder.url("finished/train.json")).write_bytes(b'{"epo')
    with pytest.raises(ArtifactBroken, match=r"train\.json is damaged"):
        folder.summary("train")


@pytest.mark.parametrize("text", ["null", "[1]", "3"])
def test_json_that_is_no_object(folder: RunFolder, text: str) -> None:
    folder.path.mkdir(parents=True)
    Path(folder.url("a.json")).write_text(text, "utf-8")
    with pytest.raises(ArtifactBroken, match="is damaged: it holds no object"):
        folder.read_json("a.json")
