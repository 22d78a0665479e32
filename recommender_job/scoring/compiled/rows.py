"""Rows of a matrix, added up."""

from __future__ import annotations

import numpy as np

from recommender_job.arrays import Floats
from recommender_job.scoring.compiled.compiler import Keys, compiled

#: Columns added up at once: they stay in the first-level cache.
_WIDTH = 2048


@compiled
def add_rows(out: Floats, matrix: Floats, begins: Keys, ends: Keys, rows: Keys, together: int) -> None:
    """Adds up rows of a matrix, so many in a sum of their own, one after the other, for each row of `out`.

    Args:
        out: What is added to, shape [b, n]. Changed.
        matrix: Shape [m, n].
        begins: Where in `rows` the rows for each of `out` begin, shape [b].
        ends: Where they end.
        rows: Numbers of rows of the matrix.
        together: How many make a sum.
    """
    sums = np.empty(_WIDTH, np.float32)
    for owner in range(len(out)):
        for start in range(0, out.shape[1], _WIDTH):
            width = min(_WIDTH, out.shape[1] - start)
            own = out[owner, start : start + width]
            for begin in range(begins[owner], ends[owner], together):
                sums[:width] = matrix[rows[begin], start : start + width]
                for place in range(begin + 1, min(begin + together, ends[owner])):
                    row = matrix[rows[place], start : start + width]
                    for column in range(width):
                        sums[column] += row[column]
                for column in range(width):
                    own[column] += sums[column]
