"""Every file of every run folder, whoever wrote it, and taking one user's rows out of Parquet files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from upath import UPath

from recommender_job.errors import StorageFailed
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.checksum import Checksum
from recommender_job.tables import USER

#: Rows in memory at once.
BATCH = 131_072
_SCRATCH = ".scratch"


@dataclass(frozen=True)
class UserRows:
    """Rows of a table: the user's own, and those of all others."""

    own: int
    others: int


def run_folders(root: str) -> list[RunFolder]:
    """All folders under the folder of all runs, by name; none where nothing has run yet."""
    top = UPath(root)
    with RunFolder(root, ".").reading("."):
        names = sorted(child.name for child in top.iterdir() if child.is_dir()) if top.exists() else []
    return [RunFolder(root, name) for name in names]


def files_of(folder: RunFolder) -> list[str]:
    """Names of all files in a run folder, hidden ones too, ascending."""
    with folder.reading("."):
        return sorted(_walk(folder.path, ""))


def _walk(path: UPath, prefix: str) -> Iterator[str]:
    for child in path.iterdir():
        if child.is_dir():
            yield from _walk(child, f"{prefix}{child.name}/")
        else:
            yield f"{prefix}{child.name}"


def leftover_of(name: str) -> str | None:
    """The leftover of a killed attempt that a file is or lies in; None for the files of a run.

    Args:
        name: A name of `files_of`.
    """
    parts = name.split("/")
    if parts[0].startswith(".") and parts[0].endswith(_SCRATCH):
        return parts[0]
    return name if parts[-1].startswith(".") and parts[-1].endswith(".tmp") else None


def is_leftover_of(leftover: str, name: str) -> bool:
    """Whether a leftover is of writing a certain file of the run."""
    if leftover.endswith(_SCRATCH):
        return leftover == f".{name.replace('/', '-')}{_SCRATCH}"
    folder, slash, file = leftover.rpartition("/")
    return name == f"{folder}{slash}{file.removeprefix('.').rsplit('.', 2)[0]}"


def remove_leftover(folder: RunFolder, leftover: str) -> None:
    """Deletes what `leftover_of` found."""
    if leftover.endswith(_SCRATCH):
        with folder.scratch(leftover.removeprefix(".").removesuffix(_SCRATCH)):
            pass  # what lay there has gone
    else:
        folder.remove(leftover)


def written_at(folder: RunFolder, name: str) -> datetime | None:
    """When a file was last written; None where it has gone meanwhile."""
    path = folder.path / name
    with folder.reading(name):
        try:
            moment: datetime = path.fs.modified(path.path)
        except FileNotFoundError:
            return None
        return moment


def remove_folder(folder: RunFolder, name: str) -> None:
    """Deletes a folder inside a run folder, if it is there."""
    path = folder.path / name
    with folder.reading(name):
        if path.exists():
            path.fs.rm(path.path, recursive=True)


def holds_bytes(folder: RunFolder, name: str, wanted: bytes) -> bool:
    """Whether a file holds these bytes, in a row; read part by part."""
    with folder.reading(name), (folder.path / name).open("rb") as file:
        tail = b""
        while part := file.read(1 << 20):
            if wanted in tail + part:
                return True
            tail = (tail + part)[-len(wanted) :]
    return False


def user_rows(folder: RunFolder, name: str, user_id: int) -> UserRows | None:
    """Counts a user's rows in a Parquet file, batch by batch; None where it has no column `user_id`.

    Raises:
        ArtifactBroken: The file is damaged.
    """
    if USER not in _schema(folder, name).names:
        return None
    own = others = 0
    for batch in batches(folder, name, [USER]):
        found = pc.sum(_is_user(batch, user_id)).as_py() or 0
        own, others = own + found, others + len(batch) - found
    return UserRows(own, others)


def checksum_of_others(folder: RunFolder, name: str, user_id: int) -> str:
    """The checksum of a Parquet file's rows without a user's, taken batch by batch.

    Raises:
        ArtifactBroken: The file is damaged.
    """
    others = Checksum()
    for batch in batches(folder, name):
        others.add(pa.Table.from_batches([batch.filter(pc.invert(_is_user(batch, user_id)))]))
    return others.text


def remove_user_rows(folder: RunFolder, name: str, user_id: int) -> None:
    """Writes a Parquet file again without a user's rows, batch by batch; the others keep their order.

    Raises:
        ArtifactBroken: The file is damaged; it stays as it is.
        StorageFailed: A stage has replaced the file meanwhile; it stays as that stage wrote it.
    """
    path = folder.path / name
    schema, before = _schema(folder, name), path.fs.ukey(path.path)
    with folder.table_writer(name, schema) as write:
        for batch in batches(folder, name):
            write(pa.Table.from_batches([batch.filter(pc.invert(_is_user(batch, user_id)))], schema))
        if path.fs.ukey(path.path) != before:
            raise StorageFailed(
                f"{path} was replaced while it was read: a night is running.", action="Erase again when it has ended."
            )


def _schema(folder: RunFolder, name: str) -> pa.Schema:
    with folder.reading(name), (folder.path / name).open("rb") as file:
        return pq.read_schema(file)


def batches(folder: RunFolder, name: str, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Reads a Parquet file, or some columns of it, a bounded number of rows at a time.

    Raises:
        ArtifactBroken: The file is missing or damaged, or lacks a column.
    """
    # Buffered ahead, row groups stay in memory until the file is closed.
    streaming = {"pre_buffer": False, "buffer_size": 1 << 20}
    with (
        folder.reading(name),
        (folder.path / name).open("rb") as file,
        pq.ParquetFile(file, page_checksum_verification=True, **streaming) as table,
    ):
        yield from table.iter_batches(BATCH, columns=columns)


def _is_user(batch: pa.RecordBatch, user_id: int) -> Any:
    column = batch.column(USER)
    return pc.fill_null(pc.equal(column, pa.scalar(user_id, pa.int64()).cast(column.type)), False)
