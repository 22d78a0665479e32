"""Walking through run folders, and taking a user's rows out of Parquet files in bounded memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_job.errors import ArtifactBroken, StorageFailed
from recommender_job.storage import run_files
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.run_files import (
    UserRows,
    files_of,
    holds_bytes,
    is_leftover_of,
    leftover_of,
    remove_user_rows,
    run_folders,
    user_rows,
)

FRAME = pd.DataFrame({"user_id": [3, 1, 3, 2], "rating": [1.0, 2.0, 3.0, 4.0], "name": ["a", "b", None, "d"]})


def test_every_folder_and_every_file_is_found(folder: RunFolder) -> None:
    root = str(folder.path.parent)
    assert run_folders(root) == []
    for name in ("a.json", "deep/er/b.json", "deep/.hidden.tmp", ".x.scratch/whole"):
        folder.write_json(name, {})
    RunFolder(root, "2nd").write_json("a.json", {})
    (folder.path.parent / "a file.txt").write_text("no run")
    assert [one.path.name for one in run_folders(root)] == ["2nd", "a-run"]
    assert files_of(folder) == [".x.scratch/whole", "a.json", "deep/.hidden.tmp", "deep/er/b.json"]


@pytest.mark.parametrize(
    ("name", "leftover", "target"),
    [
        ("clean/.ratings.parquet.0af3.tmp", "clean/.ratings.parquet.0af3.tmp", "clean/ratings.parquet"),
        (".a.json.0af3.tmp", ".a.json.0af3.tmp", "a.json"),
        (".score-lists-0001.parquet.scratch/whole", ".score-lists-0001.parquet.scratch", "score/lists-0001.parquet"),
        (".extract.scratch/a/b", ".extract.scratch", "extract"),
    ],
)
def test_leftovers_and_what_they_were_to_become(name: str, leftover: str, target: str) -> None:
    assert leftover_of(name) == leftover
    assert is_leftover_of(leftover, target)
    assert not is_leftover_of(leftover, f"{target}x")
    assert not is_leftover_of(leftover, f"other/{target}")


@pytest.mark.parametrize("name", ["a.tmp", "clean/ratings.parquet", "scratch/whole", "x.scratch/whole", "a/.hidden"])
def test_what_is_no_leftover(name: str) -> None:
    assert leftover_of(name) is None


def test_the_leftovers_that_really_come_to_be_are_known(folder: RunFolder) -> None:
    with folder.scratch("score/lists.parquet") as local:
        (local / "whole").write_text("x")
        found = {leftover_of(name) for name in files_of(folder)}
    assert found == {".score-lists.parquet.scratch"}
    with folder.table_writer("a/b.parquet", pa.schema([("user_id", pa.int64())])):
        assert all(is_leftover_of(str(leftover_of(name)), "a/b.parquet") for name in files_of(folder))


def test_the_users_rows_go_and_all_else_stays(folder: RunFolder) -> None:
    folder.write_table("t.parquet", FRAME)
    schema = folder.read_table("t.parquet").schema
    assert user_rows(folder, "t.parquet", 3) == UserRows(2, 2)
    remove_user_rows(folder, "t.parquet", 3)
    pd.testing.assert_frame_equal(folder.read_frame("t.parquet"), FRAME[FRAME["user_id"] != 3].reset_index(drop=True))
    assert folder.read_table("t.parquet").schema.equals(schema, check_metadata=True)
    assert user_rows(folder, "t.parquet", 3) == UserRows(0, 2)
    assert files_of(folder) == ["t.parquet"]


@given(
    users=st.lists(st.integers(-3, 3) | st.sampled_from([2**63 - 1, -(2**63)]), max_size=40),
    user_id=st.integers(-3, 3) | st.sampled_from([2**63 - 1, -(2**63)]),
    batch=st.integers(1, 7),
    group=st.integers(1, 7),
)
def test_whatever_the_batches(
    tmp_path_factory: pytest.TempPathFactory, users: list[int], user_id: int, batch: int, group: int
) -> None:
    folder = RunFolder(str(tmp_path_factory.getbasetemp()), "batches")
    table = pa.table({"user_id": pa.array(users, pa.int64()), "place": pa.array(range(len(users)), pa.int64())})
    folder.path.mkdir(exist_ok=True)
    pq.write_table(table, str(folder.path / "t.parquet"), row_group_size=group)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_files, "BATCH", batch)
        assert user_rows(folder, "t.parquet", user_id) == UserRows(
            users.count(user_id), len(users) - users.count(user_id)
        )
        remove_user_rows(folder, "t.parquet", user_id)
    left = [(user, place) for place, user in enumerate(users) if user != user_id]
    assert list(zip(*folder.read_table("t.parquet").to_pydict().values(), strict=True)) == left


def test_tables_without_users_and_rows_without_one(folder: RunFolder) -> None:
    folder.write_table("without.parquet", FRAME[["rating"]])
    assert user_rows(folder, "without.parquet", 3) is None
    folder.write_table("nulls.parquet", pa.table({"user_id": pa.array([3, None, 4], pa.int64())}))
    assert user_rows(folder, "nulls.parquet", 3) == UserRows(1, 2)
    remove_user_rows(folder, "nulls.parquet", 3)
    assert folder.read_table("nulls.parquet")["user_id"].to_pylist() == [None, 4]


def test_ids_written_as_text(folder: RunFolder) -> None:
    folder.write_table("text.parquet", pa.table({"user_id": ["3", "33", "x"]}))
    remove_user_rows(folder, "text.parquet", 3)
    assert folder.read_table("text.parquet")["user_id"].to_pylist() == ["33", "x"]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no table at all, whatever its name says"])
def test_a_file_that_is_no_table(folder: RunFolder, content: bytes) -> None:
    folder.path.mkdir(parents=True)
    (folder.path / "t.parquet").write_bytes(content)
    for work in (user_rows, remove_user_rows):
        with pytest.raises(ArtifactBroken, match=r"t\.parquet"):
            work(folder, "t.parquet", 3)
    assert (folder.path / "t.parquet").read_bytes() == content


def test_a_file_that_a_stage_replaces_meanwhile_stays_as_the_stage_wrote_it(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write_table("t.parquet", FRAME)
    batches = run_files.batches

    def replaced(*arguments: Any) -> Iterator[pa.RecordBatch]:
        yield from batches(*arguments)
        folder.write_table("t.parquet", FRAME[:1])

    monkeypatch.setattr(run_files, "batches", replaced)
    with pytest.raises(StorageFailed, match="was replaced while it was read"):
        remove_user_rows(folder, "t.parquet", 3)
    pd.testing.assert_frame_equal(folder.read_frame("t.parquet"), FRAME[:1])
    assert files_of(folder) == ["t.parquet"]


@pytest.mark.parametrize("place", [0, 1, (1 << 20) - 3, (1 << 20) - 1, 1 << 20, (2 << 20) + 5])
def test_bytes_are_found_wherever_they_lie(folder: RunFolder, place: int) -> None:
    folder.path.mkdir(parents=True)
    (folder.path / "f").write_bytes(b"x" * place + b"needle" + b"x" * (3 << 20))
    assert holds_bytes(folder, "f", b"needle")
    assert not holds_bytes(folder, "f", b"needles")


#: Prints how much memory the work takes beyond what was there before, in MiB.
_MEASURED = """
import resource, sys
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.run_files import UserRows, remove_user_rows, user_rows
folder = RunFolder(sys.argv[1], "a-run")
folder.read_table("small.parquet")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert user_rows(folder, "t.parquet", 7).own
remove_user_rows(folder, "t.parquet", 7)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_memory_does_not_grow_with_the_file(folder: RunFolder) -> None:
    random = np.random.default_rng(0)
    part = pa.table({"user_id": random.integers(0, 10**6, 10**6), **{n: random.random(10**6) for n in "abcd"}})
    folder.write_table("small.parquet", part[:10])
    with folder.table_writer("t.parquet", part.schema) as write:
        for _ in range(6):  # 230 MiB
            write(part)
    arguments = [sys.executable, "-c", _MEASURED, str(folder.path.parent)]
    told = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert int(told.stdout) < 100
