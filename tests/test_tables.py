"""Frames that are held to a schema."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest

from recommender_job.errors import ArtifactBroken
from recommender_job.tables import LISTS, RATINGS, checked


def some_lists(**changes: list[int]) -> pd.DataFrame:
    columns = {"user_id": [1, 1, 2], "rank": [1, 2, 1], "experience_id": [7, 8, 7], "predicted_rating": [5, 4, 3]}
    types = {"user_id": np.int64, "rank": np.int16, "experience_id": np.int64, "predicted_rating": np.float32}
    return pd.DataFrame(columns | changes).astype(types)


def test_what_is_checked_is_the_frame_itself_and_not_changed() -> None:
    frame, same = some_lists(), some_lists()
    assert checked(frame, LISTS) is frame
    pd.testing.assert_frame_equal(frame, same)


@pytest.mark.parametrize("schema", [LISTS, RATINGS])
def test_no_schema_converts_anything(schema: pa.DataFrameSchema) -> None:
    """Or else the frame of whoever asks would be changed."""
    assert not any(column.coerce or column.parsers for column in schema.columns.values())
    assert not schema.coerce
    assert not schema.parsers
    assert schema.strict is True


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"rank": [0, 1, 1]}, "rank"), ({"rank": [1, 1, 1]}, "ascend"), ({"user_id": [2, 2, 1]}, "ascend")],
)
def test_what_breaks_the_contract_is_named(changes: dict[str, list[int]], named: str) -> None:
    with pytest.raises(ArtifactBroken, match=f"Table `lists` breaks its contract: .*{named}"):
        checked(some_lists(**changes), LISTS)
    with pytest.raises(ArtifactBroken, match="column 'experience_id' not in dataframe"):
        checked(some_lists().drop(columns="experience_id"), LISTS)
