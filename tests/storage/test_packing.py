"""Packed rows come out of the database as they went in."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest

from recommender_job.storage import packing
from recommender_job.storage.database import Database
from recommender_job.storage.packing import Packer

#: Quotes, commas, line breaks, what COPY's text formats give a meaning, nothing, and four bytes for one sign.
TEXTS = [("Cañón", "a"), ('"x", \\N\n\t', "b"), ("", "\\."), ("🏞" * 300, "c")]


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_what_is_packed_is_loaded(database: Database, at_once: int) -> None:
    numbers = [
        np.array([-(2**63), 0, 2**63 - 1, 7, 7]),
        np.array([-(2**15), 1, 2**15 - 1, 7, 7], np.int16),
        np.array([1.5, -np.inf, 3.4e38, 1e-45, np.nan], np.float32),
    ]
    which = np.array([3, 1, 0, 2, 1])
    with database.transaction() as transaction, patch.object(packing, "ROWS", at_once):
        transaction.run("create temporary table packed (a bigint, b smallint, c real, d text, e text)")
        rows = [
            transaction.copy_in("packed", list("abcde"), file, binary=True)
            for file in Packer(["i8", "i2", "f4"], TEXTS).files(numbers, which)
        ]
        found = transaction.rows("select * from packed order by ctid")
    assert (sum(rows), max(rows)) == (5, min(at_once, 5))
    assert [row["a"] for row in found] == numbers[0].tolist()
    assert [row["b"] for row in found] == numbers[1].tolist()
    np.testing.assert_array_equal(np.array([row["c"] for row in found], np.float32), numbers[2])
    assert [(row["d"], row["e"]) for row in found] == [TEXTS[place] for place in which]


def test_nothing_is_packed_into_no_file() -> None:
    assert list(Packer(["i8"], TEXTS).files([np.zeros(0, np.int64)], np.zeros(0, np.int64))) == []
