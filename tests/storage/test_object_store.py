"""Run folders in an object store: the same contract as on a disk, also when the store or its bucket is away."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from s3fs import S3FileSystem

from recommender_job.errors import ArtifactBroken, RecommenderError, StageMissing, StorageFailed
from recommender_job.isolation import in_child
from recommender_job.storage import run_files
from recommender_job.storage.artifacts import RunFolder
from tests.object_store import BUCKET, ObjectStore, object_store, use

TABLE = pa.table({"user_id": pa.array([1, 2, 1], pa.int64()), "rating": [1.0, 2.0, 3.0]})


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectStore]:
    with object_store() as store:
        yield store


@pytest.fixture
def store(server: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    use(server, monkeypatch)
    return server


@pytest.fixture
def root(store: ObjectStore) -> str:
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"


@pytest.fixture
def remote(root: str) -> RunFolder:
    return RunFolder(root, "a-run")


def names(store: ObjectStore, remote: RunFolder) -> list[str]:
    prefix = str(remote.path).removeprefix(f"s3://{BUCKET}/") + "/"
    return [key.removeprefix(prefix) for key in store.keys(prefix)]


def test_every_kind_of_file_comes_back_as_written_and_nothing_else_is_there(
    store: ObjectStore, remote: RunFolder, tmp_path: Path
) -> None:
    for content in ("first", "second"):
        remote.write_json("figures.json", {"night": content})
        remote.write_text("page.html", content)
        remote.write_arrays("deep/down.npz", {"a": np.arange(3)})
        remote.write_table("table.parquet", TABLE)
        with remote.table_writer("parts.parquet", TABLE.schema) as write:
            write(TABLE)
            write(TABLE)
        (tmp_path / content / "variables").mkdir(parents=True)
        (tmp_path / content / "variables" / content).write_text(content)
        remote.write_folder("model", tmp_path / content)
    assert remote.read_json("figures.json") == {"night": "second"}
    assert remote.read_arrays("deep/down.npz")["a"].tolist() == [0, 1, 2]
    assert remote.read_table("table.parquet").equals(TABLE)
    assert remote.read_table("parts.parquet").num_rows == 6
    expected = [
        "deep/down.npz",
        "figures.json",
        "model/variables/second",
        "page.html",
        "parts.parquet",
        "table.parquet",
    ]
    assert names(store, remote) == expected
    assert run_files.files_of(remote) == expected


def test_a_stage_that_begins_again_is_not_finished(remote: RunFolder) -> None:
    remote.begin("train")
    remote.finish("train", {"rmse": 1.0})
    assert remote.summary("train") == {"rmse": 1.0}
    remote.begin("train")
    with pytest.raises(StageMissing):
        remote.summary("train")


def test_what_another_machine_has_written_meanwhile_is_seen(store: ObjectStore, remote: RunFolder) -> None:
    """A process that has listed a folder before, as the API server has, must not go by what it remembers."""
    remote.write_json("one.json", {})
    prefix = str(remote.path).removeprefix(f"s3://{BUCKET}/")
    assert remote.summary_if_finished("train") is None
    assert run_files.files_of(remote) == ["one.json"]
    store.put(f"{prefix}/finished/train.json", b'{"rmse": 2.0}')
    assert remote.summary_if_finished("train") == {"rmse": 2.0}
    assert run_files.files_of(remote) == ["finished/train.json", "one.json"]


def test_a_run_of_another_machine_is_found(store: ObjectStore, root: str) -> None:
    assert run_files.run_folders(root) == []
    for name in ("first", "second"):
        store.put(f"{root.removeprefix(f's3://{BUCKET}/')}/{name}/finished/train.json", b"{}")
        assert run_files.run_folders(root)[-1].path.name == name


def test_a_write_that_is_cut_short_leaves_the_old_object(store: ObjectStore, remote: RunFolder) -> None:
    remote.write_table("lists.parquet", TABLE)

    def cut_short() -> None:
        with remote.table_writer("lists.parquet", TABLE.schema) as write:
            write(TABLE)
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        cut_short()
    assert names(store, remote) == ["lists.parquet"]
    assert remote.read_table("lists.parquet").equals(TABLE)


def test_a_users_rows_are_taken_out_and_folders_deleted(store: ObjectStore, remote: RunFolder, root: str) -> None:
    remote.write_table("ratings.parquet", TABLE)
    remote.write_text("gone/a.txt", "a")
    assert run_files.user_rows(remote, "ratings.parquet", 1) == run_files.UserRows(2, 1)
    run_files.remove_user_rows(remote, "ratings.parquet", 1)
    assert remote.read_table("ratings.parquet")["user_id"].to_pylist() == [2]
    assert run_files.written_at(remote, "ratings.parquet") is not None
    assert run_files.written_at(remote, "never") is None
    run_files.remove_folder(remote, "gone")
    assert names(store, remote) == ["ratings.parquet"]
    assert [folder.path.name for folder in run_files.run_folders(root)] == ["a-run"]


def test_a_row_is_not_taken_out_of_what_another_machine_replaces(
    remote: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote.write_table("ratings.parquet", TABLE)
    other = RunFolder(str(remote.path.parent), "a-run")
    batches = run_files.batches

    def meanwhile(folder: RunFolder, name: str) -> Iterator[pa.RecordBatch]:
        yield from batches(folder, name)
        other.write_table(name, TABLE.slice(0, 1))

    monkeypatch.setattr(run_files, "batches", meanwhile)
    with pytest.raises(StorageFailed, match="was replaced"):
        run_files.remove_user_rows(remote, "ratings.parquet", 1)
    assert remote.read_table("ratings.parquet").num_rows == 1


def test_a_child_process_reaches_the_store_as_its_parent_did(remote: RunFolder) -> None:
    """Connections and threads of the client do not survive a fork."""
    remote.write_json("before.json", {"a": 1})
    root, name = str(remote.path.parent), remote.path.name
    assert in_child(lambda: RunFolder(root, name).read_json("before.json")) == {"a": 1}


def test_damage_is_told_from_trouble(store: ObjectStore, remote: RunFolder) -> None:
    with pytest.raises(ArtifactBroken, match="is not there"):
        remote.read_json("never.json")
    remote.write_table("table.parquet", TABLE)
    key = str(remote.path / "table.parquet").removeprefix(f"s3://{BUCKET}/")
    store.put(key, store.get(key)[:-10])
    with pytest.raises(ArtifactBroken, match="is damaged"):
        remote.read_table("table.parquet")


def every_access(folder: RunFolder, tmp_path: Path) -> dict[str, Callable[[], object]]:
    (tmp_path / "model").mkdir(exist_ok=True)
    (tmp_path / "model" / "weights").write_bytes(b"x")
    return {
        "begin": lambda: folder.begin("train"),
        "finish": lambda: folder.finish("train", {}),
        "remove": lambda: folder.remove("a"),
        "write": lambda: folder.write_table("a", TABLE),
        "folder": lambda: folder.write_folder("model", tmp_path / "model"),
    }


def test_a_missing_bucket_is_named_where_a_stage_begins_and_never_made(store: ObjectStore, tmp_path: Path) -> None:
    folder = RunFolder("s3://nobody-made-this/runs", "a-run")
    for name, access in {**every_access(folder, tmp_path), "read": lambda: folder.read_json("a")}.items():
        with pytest.raises(StorageFailed, match=r"s3://nobody-made-this/runs/a-run/.*bucket does not exist\.") as told:
            access()
        assert "its bucket, its keys" in told.value.action, name
    assert store.buckets() == [BUCKET]


def test_a_store_that_is_away_is_a_failure_that_may_pass(
    tmp_path: Path, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing listens on that port; the client's own attempts are the environment's to set."""
    use(ObjectStore("", {**store.environment, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}), monkeypatch)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    root = f"s3://{BUCKET}/{uuid.uuid4().hex}"
    folder = RunFolder(root, "a-run")
    reads: dict[str, Callable[[], object]] = {
        "json": lambda: folder.read_json("a"),
        "table": lambda: folder.read_table("a"),
        "summary": lambda: folder.summary_if_finished("train"),
        "runs": lambda: run_files.run_folders(root),
    }
    for name, access in {**every_access(folder, tmp_path), **reads}.items():
        with pytest.raises(RecommenderError, match="Could not connect to the endpoint") as told:
            access()
        assert isinstance(told.value, StorageFailed), name
        assert "Restore access to the store" in told.value.action
        assert store.environment["AWS_SECRET_ACCESS_KEY"] not in str(told.value)


def test_what_the_store_refuses_is_trouble_and_not_damage(
    remote: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client tells of a refusal without a number, as pyarrow tells of damage."""

    async def refuse(*_: object, **__: object) -> None:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(S3FileSystem, "_call_s3", refuse)
    reads = {"read": lambda: remote.read_json("a"), "summary": lambda: remote.summary_if_finished("train")}
    for name, access in {**every_access(remote, tmp_path), **reads}.items():
        with pytest.raises(StorageFailed, match=r": Access Denied\.") as told:
            access()
        assert "their rights" in told.value.action, name


def test_without_keys_the_next_step_names_them(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    use(store, monkeypatch)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    with pytest.raises(StorageFailed, match="Unable to locate credentials") as told:
        RunFolder(f"s3://{BUCKET}/{uuid.uuid4().hex}", "a-run").read_json("a")
    assert "its keys" in told.value.action
