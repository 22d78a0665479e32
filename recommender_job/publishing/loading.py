"""Rows of a publication on their way into the database."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa

from recommender_job.storage.database import Transaction
from recommender_job.storage.packing import ROWS, Packer
from recommender_job.tables import EXPERIENCE, NAME, PREDICTED, RANK, USER

_NUMBERS = {USER: "i8", RANK: "i2", EXPERIENCE: "i8", PREDICTED: "f4"}
_COLUMNS = [*_NUMBERS, "experience_name", "source"]


class ListRows:
    """Lists as files that `load` takes.

    Args:
        experiences: `experience_id` and `name` of all that may stand in a list.
    """

    def __init__(self, experiences: pd.DataFrame) -> None:
        self._ids = pd.Index(experiences[EXPERIENCE])
        self._packer = Packer(list(_NUMBERS.values()), [(name, "model") for name in experiences[NAME]])

    def files(self, lists: pa.Table) -> Iterator[io.BytesIO]:
        """Packs lists, of `tables.LISTS`; an experience that may not stand there gets some other's name."""
        for start in range(0, len(lists), ROWS):  # the columns of all rows would be a second copy of them
            part = lists.slice(start, ROWS)
            which = np.maximum(self._ids.get_indexer(pd.Index(part[EXPERIENCE].to_numpy())), 0)
            yield from self._packer.files([part[name].to_numpy() for name in _NUMBERS], which)


def load(transaction: Transaction, table: str, file: io.BytesIO) -> int:
    """Copies what `ListRows` packed into a publication's table; returns how many rows that were.

    Args:
        transaction: Not committed here.
        table: Its name.
        file: The rows.
    """
    return transaction.copy_in(table, _COLUMNS, file, binary=True, freeze=True)


def load_default(
    transaction: Transaction, publication_id: int, default: pd.DataFrame, experiences: pd.DataFrame
) -> None:
    """Inserts the default list of a publication.

    Args:
        transaction: Not committed here.
        publication_id: Whose it is.
        default: What `popular` returns.
        experiences: `experience_id`, `name`.
    """
    names = default[EXPERIENCE].map(experiences.set_index(EXPERIENCE)[NAME])
    named = default.assign(experience_name=names, source="popular", publication_id=publication_id)
    transaction.run_many(
        "insert into recommender.default_recommendation"
        " (publication_id, rank, experience_id, experience_name, predicted_rating, source, reason)"
        " values (:publication_id, :rank, :experience_id, :experience_name, :predicted_rating, :source, :reason)",
        [{str(key): value for key, value in row.items()} for row in named.to_dict("records")],
    )
