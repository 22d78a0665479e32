"""One pass over a snapshot: what each part brings, and a snapshot that does not ascend."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pandas as pd
import pytest

from recommender_job.errors import ArtifactBroken
from recommender_job.ratings.extract import SNAPSHOT
from recommender_job.ratings.sifting import sift
from recommender_job.storage import run_files
from recommender_job.storage.artifacts import RunFolder
from tests.ratings.worlds import as_rows, source_ratings

ASCENDING = [(1, 1, 5, 0, 0), (1, 1, 4, 1, 0), (1, 2, 3, 0, 0), (2, 1, 2, 0, 0), (2, 1, 1, 3, 0), (2, 9, 5, 0, 0)]


def sifted(folder: RunFolder, rows: list[Any], at_once: int) -> tuple[int, list[Any], list[Any]]:
    """How many rows there are; those kept and those refused, part by part: ratings below 2 are refused."""
    folder.write_table(SNAPSHOT, source_ratings(*rows))
    refused: list[Any] = []
    kept: list[Any] = []

    def split(part: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        assert len(part) <= at_once
        return part[part["rating"] >= 2], part[part["rating"] < 2]

    with patch.object(run_files, "BATCH", at_once):
        count = sift(
            folder,
            split,
            refuse=lambda rows: refused.append(as_rows(rows.iloc[:, :4])),
            keep=lambda rows: kept.append(as_rows(rows.iloc[:, :4])),
        )
    return count, kept, refused


def test_the_last_pair_of_a_part_waits_for_the_next_part(folder: RunFolder) -> None:
    count, kept, refused = sifted(folder, ASCENDING, 2)
    assert count == 6
    assert kept == [[], [(1, 1, 4, 1), (1, 2, 3, 0)], [(2, 1, 2, 0)], [(2, 9, 5, 0)]]
    assert refused == [[], [], [(2, 1, 1, 3)]]


def test_an_empty_snapshot_brings_nothing(folder: RunFolder) -> None:
    count, kept, refused = sifted(folder, [], 2)
    assert (count, [rows for rows in kept + refused if rows]) == (0, [])


@pytest.mark.parametrize("at_once", [1, 2, 3, 6])
@pytest.mark.parametrize("place", range(1, 6))
@pytest.mark.parametrize("again", [True, False])
def test_a_row_that_does_not_come_after_the_one_before_it_is_named(
    folder: RunFolder, at_once: int, place: int, again: bool
) -> None:
    damaged = ASCENDING[:]
    damaged[place] = damaged[place - 1] if again else (-1, *damaged[place][1:])
    user, experience, _, minute, _ = damaged[place]
    named = (
        rf"row {place + 1} \(user_id {user}, experience_id {experience}, rated_at 2023-01-01 00:0{minute}:00\+00:00\)"
    )
    with pytest.raises(ArtifactBroken, match=f"{SNAPSHOT} is damaged: {named} does not come after the row before it"):
        sifted(folder, damaged, at_once)
