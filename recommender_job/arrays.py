"""Names for the arrays that most modules pass on, so that signatures stay short; and the distinct values of one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
#: What models are made of.
Floats = NDArray[np.float32]
#: What is measured: ratings, errors, means.
Values = NDArray[np.float64]


def distinct(values: Ints) -> Ints:
    """Each value once, ascending; quick where they come in ascending runs.

    `numpy.unique` hashes whole numbers (NumPy 2.4), and takes ten times as long where most of them differ.
    """
    ordered: Ints = np.sort(values, kind="stable")
    is_first = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    return ordered[is_first]
