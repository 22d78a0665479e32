"""Lists are packed for the database a bounded number of rows at a time."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from recommender_job.publishing import loading
from recommender_job.publishing.loading import ListRows
from recommender_job.storage import packing

EXPERIENCES = pd.DataFrame({"experience_id": [3, 7], "name": ["three", "seven"]})


def lists(rows: int) -> pa.Table:
    columns = {
        "user_id": np.arange(rows),
        "rank": np.ones(rows, np.int16),
        "experience_id": np.arange(rows) % 2 * 4 + 3,
    }
    return pa.table({**columns, "predicted_rating": np.linspace(1, 5, rows, dtype=np.float32)})


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (loading, packing):
        monkeypatch.setattr(module, "ROWS", 1_000)


def test_parts_are_the_rows_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def rows(table: pa.Table) -> list[bytes]:
        return [file.getvalue()[19:-2] for file in ListRows(EXPERIENCES).files(table)]

    (whole,) = rows(lists(2_500))
    for module in (loading, packing):
        monkeypatch.setattr(module, "ROWS", 1_000)
    parts = rows(lists(2_500))
    assert len(parts) == 3
    assert b"".join(parts) == whole
    assert rows(lists(0)) == []


@pytest.mark.usefixtures("few")
def test_the_rows_are_not_copied_whole() -> None:
    """Their columns are 11 MB."""
    table, packer = lists(500_000), ListRows(EXPERIENCES)
    tracemalloc.start()
    try:
        files = sum(1 for _ in packer.files(table))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert files == 500
    assert peak < 2_000_000
