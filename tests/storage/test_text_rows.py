"""Rows that COPY wrote as CSV: every value as it was, and trouble that names the column."""

from __future__ import annotations

import pyarrow as pa
import pytest

from recommender_job.storage.text_rows import parsed

COLUMNS = pa.schema([("user_id", pa.int64()), ("rating", pa.float32())])
NAMES = b"user_id,rating\n"


def test_values() -> None:
    text = NAMES + b"1,NaN\n2,Infinity\n-9223372036854775808,\n"
    first, second, third = parsed(pa.BufferReader(text), COLUMNS).to_pylist()
    assert first["rating"] != first["rating"]
    assert (second["rating"], third) == (float("inf"), {"user_id": -(2**63), "rating": None})
    assert parsed(pa.BufferReader(NAMES), COLUMNS).equals(COLUMNS.empty_table())


def test_a_value_that_does_not_fit_names_its_column() -> None:
    with pytest.raises(pa.ArrowInvalid, match=r"column rating: .* invalid value 'good'"):
        parsed(pa.BufferReader(NAMES + b"1,good\n"), COLUMNS)
