"""What COPY writes in its binary format, as Arrow tables, while it still writes.

Binary, since the server spends half of a CSV's time on printing moments. Rows without a null have one length, and numpy
takes the columns out of them as they lie. A row with a null is shorter: where a column may be null it is filled up to
that length first, where none may be the taking ends.
"""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recommender_job.storage.beside import beside

#: Bytes that are unpacked at once; so few stay in the processor's cache.
BLOCK = 2**19
#: Rows, at least, that are handed on at once, until there are no more.
ROWS = 131_072

_MOMENT = pa.timestamp("us", tz="UTC")
#: How a value travels.
_TYPES = {pa.int64(): ">i8", pa.float32(): ">f4", _MOMENT: ">i8"}

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # with flags and an extension, of which there are none
#: The length of a null, which has no value behind it.
_NULL = b"\xff\xff\xff\xff"
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
        kinds = {field.name: np.dtype(_TYPES[field.type]) for field in schema}
        framed = [[(_length(name), np.dtype(">i4")), (name, kind)] for name, kind in kinds.items()]
        self._row = np.dtype([("fields", ">i2"), *itertools.chain.from_iterable(framed)])
        self._shape = {"fields": len(kinds)} | {_length(name): kind.itemsize for name, kind in kinds.items()}
        self._nullable = [
            (self._row.fields[field.name][1], kinds[field.name].itemsize)  # type: ignore[index]  # None without fields
            for field in schema
            if field.nullable
        ]
        self._begun = False
        self._rest = b""
        self._waiting: list[pa.Table] = []
        #: Rows before the first that holds a null where none may be.
        self.rows = 0
        self._broken = False

    @contextlib.contextmanager
    def sink(self) -> Iterator[IO[bytes]]:
        """The file for COPY to write into; when the block ends, all rows were taken."""
        with beside(self._unpack) as hand_over:
            blocks = _Blocks(hand_over)
            sink: Any = io.BufferedWriter(blocks, BLOCK)
            try:
                yield sink
                sink.flush()
                hand_over(None)
            finally:
                blocks.ended = True  # what an interrupted COPY left in the buffer is nobody's
                sink.close()

    def _unpack(self, block: bytes | None) -> None:
        """Takes in what comes next; None: nothing does."""
        if not self._broken:
            self._rest += block or b""
            if not self._begun and len(self._rest) >= len(_HEADER):
                self._begun, self._rest = True, self._rest[len(_HEADER) :]
            if self._begun:
                self._take_rows(at_the_end=block is None)
        if self._waiting and (block is None or sum(map(len, self._waiting)) >= ROWS):
            self._take(pa.concat_tables(self._waiting))
            self._waiting.clear()

    def _take_rows(self, *, at_the_end: bool) -> None:
        end = len(self._rest) // self._row.itemsize * self._row.itemsize
        data, rest = self._rest[:end], self._rest[end:]
        rows = np.frombuffer(data, self._row)
        good = self._good(rows)
        if self._nullable and (at_the_end or not good):  # at the end, a short row may be left
            data, rest = _filled_up(self._rest, self._row.itemsize, self._nullable)
            rows = np.frombuffer(data, self._row)
            good = self._good(rows, filled_up=True)
        self._broken = not good
        if good and len(rows):
            columns = [self._column(rows, field) for field in self._schema]
            self._waiting.append(pa.table(columns, schema=self._schema))
            self.rows += len(rows)
        self._rest = rest  # at the very end two bytes are left: the mark of the end

    def _good(self, rows: NDArray[Any], *, filled_up: bool = False) -> bool:
        """Whether there is a value wherever one must be; in rows that are filled up, the others may be null."""
        good = np.ones(len(rows), bool)
        nullable = {_length(field.name) for field in self._schema if field.nullable} if filled_up else ()
        for name, value in self._shape.items():
            good &= (rows[name] == value) | (rows[name] == -1) if name in nullable else rows[name] == value
        return bool(good.all())

    @staticmethod
    def _column(rows: NDArray[Any], field: pa.Field) -> pa.Array:
        values = rows[field.name].astype(rows[field.name].dtype.newbyteorder("="))
        if field.type == _MOMENT:
            values = np.clip(values, _FIRST, _LAST) + _SHIFT
        mask = rows[_length(field.name)] == -1 if field.nullable else None
        return pa.array(values, mask=mask).view(field.type)


def _length(name: str) -> str:
    return f"length of {name}"


def _filled_up(data: bytes, size: int, nullable: Sequence[tuple[int, int]]) -> tuple[bytes, bytes]:
    """Gives each null a value of zeros, so that all rows have one length.

    Args:
        data: Rows; the last may be cut off.
        size: Length of a row without a null.
        nullable: Where in such a row the value of each column that may be null stands, and how long it is; ascending.

    Returns:
        The rows that are not cut off, and the bytes behind them. From a row on that has a null elsewhere, where no row
        is what it seems, both are of no use; that row itself shows by its shape.
    """
    parts: list[bytes] = []
    begin = start = 0
    while True:
        end, nulls = start + size, []
        for place, length in nullable:
            at = end - size + place  # an earlier null of the row has moved its end and what stands behind
            if data[at - len(_NULL) : at] == _NULL:
                nulls.append((at, length))
                end -= length
        if end > len(data):
            return b"".join([*parts, data[begin:start]]), data[start:]
        for at, length in nulls:
            parts += [data[begin:at], bytes(length)]
            begin = at
        start = end


class _Blocks(io.RawIOBase):
    """Hands on what is written."""

    def __init__(self, hand_over: Callable[[bytes], None]) -> None:
        self._hand_over = hand_over
        self.ended = False

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if not self.ended:
            self._hand_over(bytes(data))
        return len(data)
