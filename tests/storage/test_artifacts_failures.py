"""Writing that fails half way, on a full disk and on an object store: the old file stays, and nothing else does."""

from __future__ import annotations

import resource
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
import pytest

from recommender_job.errors import StorageFailed
from recommender_job.storage.artifacts import RunFolder


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Lets the system refuse to make a file larger, as a full disk does in the middle of writing it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def table(folder: RunFolder, rows: int) -> None:
    folder.write_table("file", pd.DataFrame({"a": np.random.default_rng(1).random(rows)}))


def arrays(folder: RunFolder, rows: int) -> None:
    folder.write_arrays("file", {"a": np.zeros(rows)})


def json(folder: RunFolder, rows: int) -> None:
    folder.write_json("file", {"a": "x" * rows})


@pytest.mark.parametrize("write", [table, arrays, json])
def test_a_full_disk_leaves_the_old_file_and_no_rest(
    folder: RunFolder, write: Callable[[RunFolder, int], None]
) -> None:
    write(folder, 10)
    file = Path(folder.url("file"))
    before = file.read_bytes()
    with files_of_at_most(4096), pytest.raises(StorageFailed) as caught:
        write(folder, 100_000)
    assert caught.value.cause == f"{file}: File too large."
    assert "Free the disk" in caught.value.action
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_a_writer_that_fails_leaves_the_old_object(tmp_path: Path) -> None:
    """An object store shows what was written when the file is closed, also when that is only a part of it."""

    def half(file: IO[bytes]) -> None:
        file.write(b'{"night": "sec')
        raise RuntimeError("interrupted")

    folder = RunFolder(f"memory://{uuid.uuid4().hex}", "a-run")
    folder.write_json("figures.json", {"night": "first"})
    with pytest.raises(RuntimeError, match="interrupted"):
        folder._write(folder.path / "figures.json", half)
    assert folder.read_json("figures.json") == {"night": "first"}
    with pytest.raises(RuntimeError, match="interrupted"):
        folder._write(folder.path / "more.json", half)
    assert [path.name for path in folder.path.iterdir()] == ["figures.json"]
