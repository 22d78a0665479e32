"""The run folder: every file of a run, on any fsspec store, written whole or not at all.

A stage first takes back its `finished` mark, then writes its files one by one, then sets the mark again with its
summary. So a stage whose mark is there has complete output, whatever was killed before.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from upath import UPath

from recommender_job.errors import StageMissing
from recommender_job.storage.seal import read_arrays, write_arrays
from recommender_job.storage.trouble import bucket_is_missing, reading, writing


def store_path(root: str) -> UPath:
    """A path or fsspec URL; what a store holds is asked for each time, since other machines write there too."""
    return UPath(root, use_listings_cache=False) if "://" in root else UPath(root)


class RunFolder:
    """The files of one run.

    Args:
        root: Folder of all runs, a path or fsspec URL.
        folder: Name of this run's folder.
    """

    def __init__(self, root: str, folder: str) -> None:
        self.path = store_path(root) / folder

    def url(self, name: str) -> str:
        """Where a file of the run lies."""
        return str(self.path / name)

    def begin(self, stage: str) -> None:
        """Takes back a stage's finished mark, before its output is replaced."""
        with writing(self.url(stage)):
            self._unlink(self._mark(stage))

    def finish(self, stage: str, summary: dict[str, Any]) -> None:
        """Marks a stage's output as complete."""
        self.write_json(f"finished/{stage}.json", summary)

    def summary(self, stage: str) -> dict[str, Any]:
        """The summary of a finished stage.

        Raises:
            StageMissing: The stage has not finished in this run.
        """
        found = self.summary_if_finished(stage)
        if found is None:
            raise StageMissing(
                f"Stage `{stage}` has not finished in {self.path}.",
                action=f"Run `{stage}` first (in Airflow: clear that task with its downstream tasks).",
            )
        return found

    def summary_if_finished(self, stage: str) -> dict[str, Any] | None:
        """The summary of a stage, None when it has not finished in this run."""
        mark = self._mark(stage)
        with reading(str(mark)):
            return json.loads(mark.read_bytes()) if mark.exists() else None

    def write_table(self, name: str, table: pa.Table | pd.DataFrame) -> None:
        """Writes a frame as Parquet whose pages carry checksums."""
        arrow = pa.Table.from_pandas(table, preserve_index=False) if isinstance(table, pd.DataFrame) else table
        self._write(self.path / name, lambda file: pq.write_table(arrow, file, write_page_checksum=True))

    @contextlib.contextmanager
    def table_writer(self, name: str, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
        """Writes a Parquet file part by part; it is there, whole, when the block ends without an error."""
        # Moments hardly repeat: a dictionary of them costs more time than all the rest.
        repeating = [field.name for field in schema if not pa.types.is_timestamp(field.type)]
        with (
            self._replacing(self.path / name) as file,
            pq.ParquetWriter(
                file, schema, write_page_checksum=True, compression="zstd", use_dictionary=repeating
            ) as writer,
        ):
            yield writer.write_table

    @contextlib.contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """A local folder for intermediate files, empty at first and gone at the end.

        Args:
            name: What the files are for. What a killed attempt at the same left behind goes first.

        Raises:
            StorageFailed: Instead of an OSError of the block.
        """
        if not self._is_local:
            with writing(tempfile.gettempdir()), tempfile.TemporaryDirectory() as elsewhere:
                yield Path(elsewhere)
            return
        local = Path(self.path.path) / f".{name.replace('/', '-')}.scratch"
        shutil.rmtree(local, ignore_errors=True)
        try:
            with writing(str(local)):
                local.mkdir(parents=True)
                yield local
        finally:
            shutil.rmtree(local, ignore_errors=True)

    def remove(self, name: str) -> None:
        """Deletes a file of an earlier attempt, if it is there."""
        with writing(self.url(name)):
            self._unlink(self.path / name)

    def read_table(self, name: str) -> pa.Table:
        """Reads a Parquet file, checking its pages."""
        path = self.path / name
        with reading(str(path)), path.open("rb") as file:
            table = pq.read_table(file, page_checksum_verification=True)
            table.column_names  # noqa: B018 - decoded on first use: damage shows here, not later
            return table

    def read_frame(self, name: str) -> pd.DataFrame:
        """Reads a Parquet file into pandas."""
        frame: pd.DataFrame = self.read_table(name).to_pandas()
        return frame

    def write_arrays(self, name: str, arrays: dict[str, NDArray[Any]]) -> None:
        """Writes named arrays as npz, without pickle."""
        self._write(self.path / name, lambda file: write_arrays(file, arrays))

    def read_arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Named arrays, read-only, after checking the file's digest; they take no memory that cannot be given back.

        They lie in the file, and stay what they are when it is replaced. What lies in an object store is fetched into a
        file without a name, which is gone when the arrays are, or the process.

        Raises:
            ArtifactBroken: The file is missing or damaged.
            StorageFailed: There is no room to fetch it.
        """
        path = self.path / name
        with reading(str(path)):
            if self._is_local:
                with Path(path.path).open("rb") as file:
                    return read_arrays(file)
            with path.open("rb") as source, tempfile.TemporaryFile() as fetched:
                shutil.copyfileobj(source, fetched)
                return read_arrays(fetched)

    def write_json(self, name: str, value: dict[str, Any]) -> None:
        """Writes a JSON file."""
        self.write_text(name, json.dumps(value, indent=2))

    def write_text(self, name: str, text: str) -> None:
        """Writes a text file, in UTF-8."""
        self._write(self.path / name, lambda file: file.write(text.encode()))

    def read_json(self, name: str) -> dict[str, Any]:
        """Reads a JSON file."""
        path = self.path / name
        with reading(str(path)):
            value = json.loads(path.read_bytes())
            if not isinstance(value, dict):
                raise ValueError("it holds no object")
            return value

    def reading(self, name: str) -> contextlib.AbstractContextManager[None]:
        """For the work on what was read from a file: an error in it says that the file is damaged.

        Raises:
            ArtifactBroken: Instead of a missing key, a wrong type or a wrong value.
        """
        return reading(self.url(name))

    def write_folder(self, name: str, local: Path) -> None:
        """Replaces a folder of the run by a local one."""
        path = self.path / name
        with writing(str(path)):
            if path.exists():
                path.fs.rm(path.path, recursive=True)
            if self._is_local:
                shutil.copytree(local, path.path)
                return
            # File by file: the client's own way would make a bucket that is missing.
            for file in sorted(file for file in local.rglob("*") if file.is_file()):
                path.fs.put_file(str(file), f"{path.path}/{file.relative_to(local).as_posix()}")

    @property
    def _is_local(self) -> bool:
        return self.path.protocol in ("", "file", "local")

    def _mark(self, stage: str) -> UPath:
        return self.path / "finished" / f"{stage}.json"

    def _unlink(self, path: UPath) -> None:
        if self._is_local:
            path.unlink(missing_ok=True)
            return
        try:
            # Not asked for first: so a missing bucket is told of where a stage begins, and not after its work.
            path.fs.rm_file(path.path)
        except FileNotFoundError as error:
            if bucket_is_missing(error):
                raise

    def _write(self, path: UPath, write: Callable[[IO[bytes]], Any]) -> None:
        with self._replacing(path) as file:
            write(file)

    @contextlib.contextmanager
    def _replacing(self, path: UPath) -> Iterator[IO[bytes]]:
        """A file to write; it is there, whole, when the block ends without an error."""
        with writing(str(path)):
            if not self._is_local:
                # An object store shows an object only once it is sent: so write it here first, then send it whole.
                with tempfile.TemporaryDirectory() as local:
                    whole = Path(local) / "whole"
                    with whole.open("w+b") as file:
                        yield file
                    path.fs.put_file(str(whole), path.path)
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            # One writer at a time writes a file: what lies beside it is of an attempt that was killed.
            for leftover in Path(path.parent.path).glob(f".{glob.escape(path.name)}.*.tmp"):
                leftover.unlink(missing_ok=True)
            temporary = Path(path.parent.path) / f".{path.name}.{uuid.uuid4().hex}.tmp"
            try:
                with temporary.open("w+b") as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(path.path)
            finally:
                temporary.unlink(missing_ok=True)
