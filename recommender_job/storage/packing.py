"""Rows in PostgreSQL's binary format, for COPY to load: numbers in front, and texts of which there are few."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

#: Rows that are packed at once; so few stay in the processor's cache.
ROWS = 100_000

_BEGIN = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"


class Packer:
    """Packs rows of numbers, each followed by one of a few sets of texts.

    Args:
        numbers: Types of the numbers, such as `i8` for a bigint or `f4` for a real.
        texts: The sets; all hold as many texts.
    """

    def __init__(self, numbers: Sequence[str], texts: Sequence[Sequence[str]]) -> None:
        self._kinds = [np.dtype(kind).newbyteorder(">") for kind in numbers]
        fields: list[tuple[str, Any]] = [("fields", ">i2")]
        for place, kind in enumerate(self._kinds):
            fields += [(f"length {place}", ">i4"), (f"value {place}", kind)]
        self._row = np.dtype(fields)
        self._fields = len(self._kinds) + len(texts[0])
        self._texts = pa.array([b"".join(map(_framed, one)) for one in texts], pa.binary())

    def files(self, numbers: Sequence[NDArray[Any]], which: NDArray[np.int64]) -> Iterator[io.BytesIO]:
        """Files that COPY can load, of `ROWS` rows at most.

        Args:
            numbers: A column for each number, shape [k] each.
            which: Place of each row's set of texts, shape [k].
        """
        for start in range(0, len(which), ROWS):
            part = slice(start, start + ROWS)
            yield self._file([column[part] for column in numbers], which[part])

    def _file(self, numbers: Sequence[NDArray[Any]], which: NDArray[np.int64]) -> io.BytesIO:
        rows = np.empty(len(which), self._row)
        rows["fields"] = self._fields
        for place, (kind, values) in enumerate(zip(self._kinds, numbers, strict=True)):
            rows[f"length {place}"] = kind.itemsize
            rows[f"value {place}"] = values
        # In an array of bytes the values lie one behind the other, which is what COPY wants of heads and tails.
        heads = pa.Array.from_buffers(pa.binary(self._row.itemsize), len(rows), [None, pa.py_buffer(rows)])
        joined = pc.binary_join_element_wise(heads.cast(pa.binary()), self._texts.take(pa.array(which)), b"")
        return io.BytesIO(b"".join([_BEGIN, joined.buffers()[2], _END]))


def _framed(text: str) -> bytes:
    content = text.encode()
    return len(content).to_bytes(4, "big") + content
