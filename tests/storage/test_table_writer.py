"""Parquet files written part by part: there whole when the block ends, not there when it raises."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recommender_job.errors import ArtifactBroken, StorageFailed
from recommender_job.storage.artifacts import RunFolder

SCHEMA = pa.schema([pa.field("user_id", pa.int64(), nullable=False), pa.field("rating", pa.float32())])
NAME = "deep/down/parts.parquet"


class InterruptedWork(Exception):
    pass


@pytest.fixture(params=["disk", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RunFolder:
    root = str(tmp_path / "runs") if request.param == "disk" else f"memory://{uuid.uuid4().hex}"
    return RunFolder(root, "a-run")


def part(*users: int) -> pa.Table:
    return pa.table([list(users), [user / 2 for user in users]], schema=SCHEMA)


def interrupted(store: RunFolder) -> None:
    with store.table_writer(NAME, SCHEMA) as write:
        write(part(1, 2))
        raise InterruptedWork


def files(folder: RunFolder) -> list[str]:
    return sorted(path.name for path in folder.path.rglob("*") if path.is_file()) if folder.path.exists() else []


def test_the_parts_become_one_table(store: RunFolder) -> None:
    with store.table_writer(NAME, SCHEMA) as write:
        for users in ([3, 1], [], [2]):
            write(part(*users))
    assert store.read_table(NAME).equals(part(3, 1, 2))
    assert store.read_table(NAME).schema.equals(SCHEMA)
    assert files(store) == ["parts.parquet"]


def test_no_part_at_all_is_an_empty_table(store: RunFolder) -> None:
    with store.table_writer(NAME, SCHEMA):
        pass
    assert store.read_table(NAME).equals(SCHEMA.empty_table())


def test_nothing_is_there_before_the_block_ends(store: RunFolder) -> None:
    with store.table_writer(NAME, SCHEMA) as write:
        write(part(1))
        assert not (store.path / NAME).exists()
    assert files(store) == ["parts.parquet"]


def test_a_block_that_raises_leaves_nothing(store: RunFolder) -> None:
    with pytest.raises(InterruptedWork):
        interrupted(store)
    assert files(store) == []


def test_a_block_that_raises_leaves_the_old_file(store: RunFolder) -> None:
    store.write_table(NAME, part(7))
    with pytest.raises(InterruptedWork):
        interrupted(store)
    assert store.read_table(NAME).equals(part(7))
    assert files(store) == ["parts.parquet"]


def test_a_second_writer_replaces_the_first_ones_file(store: RunFolder) -> None:
    for users in ([1, 2, 3], [4]):
        with store.table_writer(NAME, SCHEMA) as write:
            write(part(*users))
    assert store.read_table(NAME).equals(part(4))


def test_a_part_of_another_shape_is_refused(store: RunFolder) -> None:
    with pytest.raises(ValueError, match="schema"), store.table_writer(NAME, SCHEMA) as write:
        write(pa.table({"user_id": pa.array([1], pa.int64())}))
    assert files(store) == []


def test_its_pages_carry_checksums(folder: RunFolder) -> None:
    # Numbers that do not pack: in others the unpacking itself finds a changed byte.
    users = np.random.default_rng(1).integers(2**62, size=500).tolist()
    with folder.table_writer(NAME, SCHEMA) as write:
        write(part(*users))
    file = Path(folder.url(NAME))
    column = pq.ParquetFile(file).metadata.row_group(0).column(0)
    content = bytearray(file.read_bytes())
    content[column.dictionary_page_offset + column.total_compressed_size // 2] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(ArtifactBroken, match=r"parts\.parquet is damaged: "):
        folder.read_table(NAME)


def test_all_of_it_is_on_the_disk_before_it_has_its_name(folder: RunFolder) -> None:
    synced: list[tuple[int, bool]] = []

    def look(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_size, file.exists()))

    file = Path(folder.url(NAME))
    with patch.object(os, "fsync", look), folder.table_writer(NAME, SCHEMA) as write:
        write(part(1, 2))
    assert synced == [(file.stat().st_size, False)]


def test_trouble_of_the_disk_is_the_stores_failure(folder: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way")
    with (
        pytest.raises(StorageFailed, match=r"Not a directory\. Next: Free the disk"),
        folder.table_writer(NAME, SCHEMA) as write,
    ):
        write(part(1))
