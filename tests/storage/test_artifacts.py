"""The run folder: whole files or none, finished marks, and damage that is noticed instead of read."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recommender_job.errors import ArtifactBroken, StageMissing, StorageFailed
from recommender_job.storage.artifacts import RunFolder

ARRAYS = {"ids": np.array([3, 1, 2], dtype=np.int64), "scores": np.array([[0.5, -1.25]], dtype=np.float32)}
FRAME = pd.DataFrame({"user_id": [1, 2, 3], "name": ["Café", 'say "hi"', ""], "rating": [1.0, 4.5, 5.0]})


class InterruptedWork(Exception):
    pass


@pytest.fixture(params=["disk", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RunFolder:
    root = str(tmp_path / "runs") if request.param == "disk" else f"memory://{uuid.uuid4().hex}"
    return RunFolder(root, "a-run")


def flip(file: Path, position: int) -> None:
    content = bytearray(file.read_bytes())
    content[position] ^= 0xFF
    file.write_bytes(content)


def files(folder: RunFolder) -> list[str]:
    root = Path(str(folder.path))
    return sorted(str(file.relative_to(root)) for file in root.rglob("*") if file.is_file())


def test_arrays_come_back_as_written(store: RunFolder) -> None:
    store.write_arrays("deep/down/arrays.npz", ARRAYS)
    read = store.read_arrays("deep/down/arrays.npz")
    assert {key: (value.dtype, value.tolist()) for key, value in read.items()} == {
        "ids": (np.dtype("int64"), [3, 1, 2]),
        "scores": (np.dtype("float32"), [[0.5, -1.25]]),
    }


def test_json_comes_back_as_written(store: RunFolder) -> None:
    value = {"rmse": 0.1, "name": "Ñandú", "none": None, "lists": [[1], []]}
    store.write_json("figures.json", value)
    assert store.read_json("figures.json") == value


def test_frames_and_tables_come_back_as_written(store: RunFolder) -> None:
    store.write_table("frame.parquet", FRAME)
    table = pa.table({"user_id": pa.array([7, None], pa.int64())})
    store.write_table("table.parquet", table)
    pd.testing.assert_frame_equal(store.read_frame("frame.parquet"), FRAME)
    assert store.read_table("table.parquet").equals(table)


def test_a_second_write_replaces_the_first(store: RunFolder) -> None:
    store.write_json("figures.json", {"night": "first", "more": "x" * 100})
    store.write_json("figures.json", {"night": "second"})
    assert store.read_json("figures.json") == {"night": "second"}


def test_a_folder_is_replaced_not_merged(store: RunFolder, tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name / "variables").mkdir(parents=True)
        (tmp_path / name / "variables" / f"{name}.bin").write_bytes(name.encode())
        store.write_folder("model/saved", tmp_path / name)
    found = [path.name for path in (store.path / "model" / "saved" / "variables").iterdir()]
    assert found == ["new.bin"]
    assert (store.path / "model" / "saved" / "variables" / "new.bin").read_bytes() == b"new"


def test_stage_marks(store: RunFolder) -> None:
    store.begin("train")
    assert store.summary_if_finished("train") is None
    store.finish("train", {"rows": 3})
    assert store.summary("train") == {"rows": 3}
    store.begin("train")
    with pytest.raises(StageMissing) as caught:
        store.summary("train")
    assert caught.value.cause == f"Stage `train` has not finished in {store.path}."
    assert "Run `train` first" in caught.value.action


def test_a_mark_is_of_one_stage(folder: RunFolder) -> None:
    folder.finish("extract", {"rows": 1})
    folder.finish("train", {"rows": 2})
    folder.begin("train")
    assert folder.summary("extract") == {"rows": 1}
    assert folder.summary_if_finished("train") is None
    assert files(folder) == ["finished/extract.json"]


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(folder: RunFolder) -> None:
    def half(file: IO[bytes]) -> None:
        file.write(b'{"night": "sec')
        raise InterruptedWork

    folder.write_json("figures.json", {"night": "first"})
    with pytest.raises(InterruptedWork):
        folder._write(folder.path / "figures.json", half)
    assert folder.read_json("figures.json") == {"night": "first"}
    assert files(folder) == ["figures.json"]


def test_a_writer_that_fails_the_first_time_leaves_nothing(folder: RunFolder) -> None:
    def unwritable(_: IO[bytes]) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageFailed, match=r"figures\.json: No space left on device\. Next: Free the disk"):
        folder._write(folder.path / "figures.json", unwritable)
    assert files(folder) == []


def test_a_flipped_byte_anywhere_in_a_page_is_noticed(folder: RunFolder) -> None:
    folder.write_table("frame.parquet", pd.DataFrame({"rating": np.linspace(1, 5, 500)}))
    file = Path(folder.url("frame.parquet"))
    whole = file.read_bytes()
    column = pq.ParquetFile(file).metadata.row_group(0).column(0)
    # The page's own header comes first and has no checksum.
    for share in (0.05, 0.3, 0.6, 0.9):
        file.write_bytes(whole)
        flip(file, column.dictionary_page_offset + int(column.total_compressed_size * share))
        with pytest.raises(ArtifactBroken, match=r"frame\.parquet is damaged: .*Next: Clear the stage"):
            folder.read_table("frame.parquet")


@pytest.mark.parametrize("name", ARRAYS)
def test_a_flipped_byte_anywhere_in_an_array_is_noticed(folder: RunFolder, name: str) -> None:
    folder.write_arrays("arrays.npz", ARRAYS)
    file = Path(folder.url("arrays.npz"))
    whole, values = file.read_bytes(), ARRAYS[name].tobytes()
    for position in range(len(values)):
        file.write_bytes(whole)
        flip(file, whole.index(values) + position)
        with pytest.raises(ArtifactBroken, match=r"arrays\.npz is damaged: .*Next: Clear the stage"):
            folder.read_arrays("arrays.npz")


Read = Callable[[RunFolder, str], Any]
READERS = [RunFolder.read_table, RunFolder.read_frame, RunFolder.read_arrays, RunFolder.read_json]


@pytest.mark.parametrize("read", READERS)
def test_a_missing_file_is_told(store: RunFolder, read: Read) -> None:
    with pytest.raises(ArtifactBroken, match=r"a-run.gone is not there\. Next: Clear the stage that writes it"):
        read(store, "gone")


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\xff not it", b"PAR1PAR1"])
def test_what_is_no_such_file_at_all_is_told(store: RunFolder, read: Read, content: bytes) -> None:
    store._write(store.path / "file", lambda file: file.write(content))
    with pytest.raises(ArtifactBroken, match="file is damaged: "):
        read(store, "file")


def test_a_path_below_a_file_is_the_stores_failure(folder: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way")
    for attempt in (
        lambda: folder.write_json("a.json", {}),
        lambda: folder.read_json("a.json"),
        lambda: folder.begin("a"),
    ):
        with pytest.raises(
            StorageFailed, match=r"Not a directory\. Next: Free the disk or restore access to the store"
        ):
            attempt()
    assert (tmp_path / "runs").read_text() == "in the way"
