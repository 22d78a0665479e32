"""Compiles a loop, and keeps what it has compiled for later processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])
Keys = NDArray[np.int64]
#: Numbers whose widths Numba tells apart, and types for people do not. Places are unsigned where a loop is to be short:
#: Python's could be negative, and would count from the end.
Number = Any


def compiled(function: F) -> F:
    """The function, compiled when it is first called."""
    how = {"nogil": True, "error_model": "numpy"}
    try:
        made: F = numba.njit(**how, cache=True)(function)
    except RuntimeError:  # there is no folder to keep it in: then each process compiles it
        made = numba.njit(**how)(function)
    return made
