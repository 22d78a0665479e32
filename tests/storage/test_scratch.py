"""Intermediate files: gone at the end, and gone after a killed attempt once it is repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from recommender_job.storage.artifacts import RunFolder


def files(folder: RunFolder) -> list[str]:
    root = Path(folder.path.path)
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_scratch_is_empty_at_first_and_gone_at_the_end(folder: RunFolder) -> None:
    with folder.scratch("extract/merge") as local:
        assert list(local.iterdir()) == []
        (local / "spool").write_text("x")
    assert not local.exists()


def test_scratch_of_a_killed_attempt_goes_first(folder: RunFolder) -> None:
    with folder.scratch("extract/merge") as local:
        pass
    local.mkdir(parents=True)
    (local / "half").write_text("x")
    with folder.scratch("extract/merge") as again:
        assert again == local
        assert list(again.iterdir()) == []


def test_scratch_goes_when_the_work_fails(folder: RunFolder) -> None:
    with pytest.raises(ZeroDivisionError), folder.scratch("extract/merge") as local:
        raise ZeroDivisionError
    assert not local.exists()


def test_half_written_files_of_a_killed_attempt_go_when_the_file_is_written(folder: RunFolder) -> None:
    folder.write_json("score/a.json", {"n": 1})
    mine, others = ".a.json.123.tmp", ".ba.json.123.tmp"
    for name in (mine, others):
        Path(folder.url(f"score/{name}")).write_text("half")
    folder.write_json("score/a.json", {"n": 2})
    assert files(folder) == ["score/.ba.json.123.tmp", "score/a.json"]
    assert folder.read_json("score/a.json") == {"n": 2}


def test_scratch_on_a_store_is_local() -> None:
    with RunFolder("memory://runs", "a-run").scratch("merge") as local:
        (local / "spool").write_text("x")
    assert not local.exists()
