"""What COPY writes in its binary format, as Arrow tables, while it still writes.

Binary, since the server spends half of a CSV's time on printing moments. Each row has the same length, as long as no
value is null: so a column that may be null travels as a value and a mark, and any other null shows by its row's shape.
"""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recommender_job.storage.beside import beside

#: Bytes that are handed on at once; about 130,000 ratings.
BLOCK = 8 * 2**20

_MOMENT = pa.timestamp("us", tz="UTC")
#: How a value travels, and what stands in for a null.
_TYPES = {pa.int64(): (">i8", "0"), pa.float32(): (">f4", "0"), _MOMENT: (">i8", "'epoch'")}

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # with flags and an extension, of which there are none
_MICROSECOND = timedelta(microseconds=1)
#: PostgreSQL counts microseconds from 2000 on, Arrow from 1970.
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_SHIFT = (_EPOCH - datetime(1970, 1, 1, tzinfo=UTC)) // _MICROSECOND
#: The first and the last moment that Python and Parquet can hold; the infinite ones lie beyond.
_FIRST = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST = (datetime(9999, 12, 31, 23, 59, 59, 999999, UTC) - _EPOCH) // _MICROSECOND


class BinaryRows:
    """The rows of one COPY.

    Args:
        schema: Their columns: int64, float32 and moments.
        take: Gets tables of the schema, in order. It is called in another thread, one call at a time; what it raises
            ends the COPY.
    """

    def __init__(self, schema: pa.Schema, take: Callable[[pa.Table], None]) -> None:
        self._schema = schema
        self._take = take
        kinds = {field.name: np.dtype(_TYPES[field.type][0]) for field in schema}
        kinds |= {_mark(field): np.dtype("?") for field in schema if field.nullable}
        framed = [[(f"length of {name}", np.dtype(">i4")), (name, kind)] for name, kind in kinds.items()]
        self._row = np.dtype([("fields", ">i2"), *itertools.chain.from_iterable(framed)])
        self._shape = {"fields": len(kinds)} | {f"length of {name}": kind.itemsize for name, kind in kinds.items()}
        #: Rows before the first that holds a null where none may be.
        self.rows = 0
        self._broken = False

    @property
    def select(self) -> str:
        """The columns to ask for, of a query that returns those of the schema."""
        values = (
            f"coalesce({field.name}, {_TYPES[field.type][1]}) as {field.name}" if field.nullable else field.name
            for field in self._schema
        )
        marks = (f'{field.name} is null as "{_mark(field)}"' for field in self._schema if field.nullable)
        return ", ".join([*values, *marks])

    @contextlib.contextmanager
    def sink(self) -> Iterator[IO[bytes]]:
        """The file for COPY to write into; when the block ends, all rows were taken."""
        with beside(self._unpack) as hand_over:
            blocks = _Blocks(self._row.itemsize, hand_over)
            sink: Any = io.BufferedWriter(blocks, BLOCK)
            try:
                yield sink
                sink.flush()
            finally:
                blocks.ended = True  # what an interrupted COPY left in the buffer is nobody's
                sink.close()

    def _unpack(self, block: bytes) -> None:
        if self._broken:
            return
        rows = np.frombuffer(block, self._row)
        good = np.logical_and.reduce([rows[name] == value for name, value in self._shape.items()])
        self._broken = not good.all()
        if self._broken:
            return
        self._take(pa.table([self._column(rows, field) for field in self._schema], schema=self._schema))
        self.rows += len(rows)

    @staticmethod
    def _column(rows: NDArray[Any], field: pa.Field) -> pa.Array:
        values = rows[field.name].astype(rows[field.name].dtype.newbyteorder("="))
        if field.type == _MOMENT:
            values = np.clip(values, _FIRST, _LAST) + _SHIFT
        mask = rows[_mark(field)] if field.nullable else None
        return pa.array(values, mask=mask).view(field.type)


def _mark(field: pa.Field) -> str:
    return f"{field.name} is null"


class _Blocks(io.RawIOBase):
    """Cuts between rows, and the header off."""

    def __init__(self, size: int, hand_over: Callable[[bytes], None]) -> None:
        self._size = size
        self._hand_over = hand_over
        self._begun = False
        self._rest = b""
        self.ended = False

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if not self.ended:
            block = b"".join([self._rest, data])
            if not self._begun and len(block) >= len(_HEADER):
                self._begun = True
                block = block[len(_HEADER) :]
            end = len(block) // self._size * self._size if self._begun else 0
            # At the very end two bytes are left: the mark of the end.
            self._rest = block[end:]
            if end:
                self._hand_over(block[:end])
        return len(data)
