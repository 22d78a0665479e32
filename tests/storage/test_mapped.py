"""Frames whose columns lie in files are the frames that reading would give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from recommender_job.errors import ArtifactBroken
from recommender_job.storage import run_files
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.mapped import mapped_frame, rows_of
from recommender_job.tables import RATINGS, checked


@pytest.fixture
def local(tmp_path: Path) -> Path:
    found = tmp_path / "local"
    found.mkdir()
    return found


def ratings(count: int) -> pd.DataFrame:
    minutes = pd.to_timedelta(np.arange(count), unit="min")
    return pd.DataFrame(
        {
            "user_id": np.arange(count) * 2**40,
            "experience_id": -np.arange(count),
            "rating": np.linspace(1, 5, count).astype(np.float32),
            "rated_at": (pd.Timestamp("2023-01-01", tz="UTC") + minutes).astype("datetime64[us, UTC]"),
        }
    )


def test_it_is_the_frame_that_reading_gives(folder: RunFolder, local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_files, "BATCH", 3)
    folder.write_table("some.parquet", ratings(10))
    found = mapped_frame(folder, "some.parquet", local)
    checked(found, RATINGS)
    pd.testing.assert_frame_equal(found, folder.read_frame("some.parquet"))
    assert rows_of(folder, "some.parquet") == 10
    # It lies in the files: what is written there shows in the frame.
    np.memmap(local / "rating", np.float32, "r+")[7] = 4.5
    assert found["rating"][7] == 4.5
    np.memmap(local / "rated_at", np.int64, "r+")[0] = 0
    assert found["rated_at"][0] == pd.Timestamp(0, tz="UTC")


def test_nulls_are_refused(folder: RunFolder, local: Path) -> None:
    folder.write_table("some.parquet", pa.table({"user_id": pa.array([1, None])}))
    with pytest.raises(ArtifactBroken, match=r"some\.parquet is damaged: column user_id holds nulls"):
        mapped_frame(folder, "some.parquet", local)


def test_a_missing_or_damaged_file_is_told(folder: RunFolder, local: Path) -> None:
    with pytest.raises(ArtifactBroken, match="is not there"):
        rows_of(folder, "some.parquet")
    with pytest.raises(ArtifactBroken, match="is not there"):
        mapped_frame(folder, "some.parquet", local)
    folder.write_table("some.parquet", ratings(1000))
    path = Path(folder.url("some.parquet"))
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 3] ^= 1
    path.write_bytes(whole)
    with pytest.raises(ArtifactBroken, match="is damaged"):
        mapped_frame(folder, "some.parquet", local)
