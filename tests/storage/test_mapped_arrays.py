"""Arrays of a run folder lie in their file: nothing of it is copied into memory, and nothing is left of it."""

from __future__ import annotations

import io
import tempfile
import tracemalloc
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from recommender_job.errors import ArtifactBroken
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.seal import seal

#: 8 MiB.
MANY = np.arange(2**20)
KINDS = {
    "ids": np.array([-(2**63), 3, 2**63 - 1]),
    "": np.ones((2, 3), np.float32),
    "one number": np.array(0.1),
    "nobody": np.zeros((0, 32), np.float32),
    "by columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "every other": np.arange(10, dtype=np.int16)[::2],
    "ñandú/größe": np.array([True, False]),
    "three": np.arange(24, dtype=np.float64).reshape(2, 3, 4),
}


@pytest.fixture(params=["disk", "file://", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RunFolder:
    roots = {"disk": str(tmp_path), "file://": f"file://{tmp_path}", "memory": f"memory://{uuid.uuid4().hex}"}
    return RunFolder(roots[request.param], "a-run")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary files lie."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def test_arrays_of_every_kind_come_back_read_only_and_where_memory_may_begin(store: RunFolder) -> None:
    store.write_arrays("a.npz", KINDS)
    found = store.read_arrays("a.npz")
    assert list(found) == list(KINDS)
    for name, array in found.items():
        assert (array.dtype, array.shape) == (KINDS[name].dtype, KINDS[name].shape)
        np.testing.assert_array_equal(array, KINDS[name])
        assert not array.flags.writeable
        assert array.ctypes.data % 64 == 0


def test_what_is_written_is_an_npz_file_as_numpy_reads_it(store: RunFolder) -> None:
    store.write_arrays("a.npz", KINDS)
    with np.load(io.BytesIO((store.path / "a.npz").read_bytes()), allow_pickle=False) as loaded:
        assert loaded.files == list(KINDS)
        for name in loaded.files:
            np.testing.assert_array_equal(loaded[name], KINDS[name])


@pytest.mark.usefixtures("temporary")
def test_reading_takes_no_memory_for_them_and_neither_does_looking_up(folder: RunFolder) -> None:
    """The digest is taken of a mebibyte at a time."""
    folder.write_arrays("a.npz", {"ids": MANY, "rows": MANY.reshape(-1, 32)})
    tracemalloc.start()
    try:
        found = folder.read_arrays("a.npz")
        place = np.searchsorted(found["ids"], np.array([7, 5000]))
        rows = found["rows"][place]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rows[:, 0].tolist() == [7 * 32, 5000 * 32]
    assert peak < 3 * 2**20


def test_arrays_stay_what_they_are_when_their_file_is_replaced_or_deleted(store: RunFolder) -> None:
    store.write_arrays("a.npz", {"ids": MANY})
    before = store.read_arrays("a.npz")["ids"]
    store.write_arrays("a.npz", {"ids": MANY[:10] + 1})
    np.testing.assert_array_equal(before, MANY)
    after = store.read_arrays("a.npz")["ids"]
    store.remove("a.npz")
    np.testing.assert_array_equal(before, MANY)
    np.testing.assert_array_equal(after, MANY[:10] + 1)


def test_arrays_can_be_written_over_the_file_in_which_they_lie(store: RunFolder) -> None:
    store.write_arrays("a.npz", KINDS)
    store.write_arrays("a.npz", {**store.read_arrays("a.npz"), "ids": MANY})
    found = store.read_arrays("a.npz")
    np.testing.assert_array_equal(found["ids"], MANY)
    np.testing.assert_array_equal(found["three"], KINDS["three"])


def test_nothing_is_left_of_what_was_fetched_from_a_store(temporary: Path) -> None:
    folder = RunFolder(f"memory://{uuid.uuid4().hex}", "a-run")
    folder.write_arrays("a.npz", {"ids": MANY})
    found = folder.read_arrays("a.npz")["ids"]
    assert list(temporary.iterdir()) == []
    np.testing.assert_array_equal(found, MANY)
    whole = bytearray((folder.path / "a.npz").read_bytes())
    whole[5000] ^= 1
    (folder.path / "a.npz").write_bytes(bytes(whole))
    with pytest.raises(ArtifactBroken, match="its digest does not match"):
        folder.read_arrays("a.npz")
    assert list(temporary.iterdir()) == []


def sealed(folder: RunFolder, archive: io.BytesIO) -> None:
    seal(archive)
    folder.path.mkdir(parents=True)
    Path(folder.url("a.npz")).write_bytes(archive.getvalue())


def test_a_file_of_an_older_version_is_read(folder: RunFolder) -> None:
    """It was NumPy's own, with arrays at any place."""
    archive = io.BytesIO()
    np.savez(archive, allow_pickle=False, **KINDS)
    sealed(folder, archive)
    found = folder.read_arrays("a.npz")
    assert list(found) == list(KINDS)
    for name, array in found.items():
        np.testing.assert_array_equal(array, KINDS[name])
        assert array.flags.aligned


def test_what_cannot_be_read_where_it_lies_is_told(folder: RunFolder) -> None:
    archive = io.BytesIO()
    np.savez_compressed(archive, ids=MANY)
    sealed(folder, archive)
    with pytest.raises(ArtifactBroken, match=r"ids\.npy is compressed"):
        folder.read_arrays("a.npz")


def test_a_header_of_another_version_is_told(folder: RunFolder) -> None:
    """Arrays with named columns of many names need one; none is ever written."""
    archive = io.BytesIO()
    with pytest.warns(UserWarning, match="format 2.0"):
        np.savez(archive, ids=np.zeros(1, [(f"{place:0100}", "i8") for place in range(600)] + [("ñ", "i8")]))
    sealed(folder, archive)
    with pytest.raises(ArtifactBroken, match=r"ids\.npy has a header of another version"):
        folder.read_arrays("a.npz")
