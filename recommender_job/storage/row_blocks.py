"""What COPY writes: as an Arrow table, and in blocks while it still writes."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable, Iterator
from typing import IO, Any

import pyarrow as pa
import pyarrow.csv as csv

#: Bytes of CSV that are handed on at once; about 100,000 ratings.
BLOCK = 8 * 2**20


def parsed(text: pa.NativeFile, schema: pa.Schema, *, header: bool) -> pa.Table:
    """Rows that COPY wrote as CSV: an empty field is null, an empty text is quoted.

    Args:
        text: Whole rows.
        schema: Their columns, in order. Whether a column may be null is not looked at.
        header: Whether the first line names the columns.

    Raises:
        pyarrow.ArrowInvalid: A value is not of its column's type; names the column and the value.
    """
    convert = csv.ConvertOptions(
        column_types=schema,
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=["t"],
        false_values=["f"],
    )
    # In one block: a row that is longer than a block would be refused.
    read = csv.ReadOptions(column_names=schema.names, skip_rows=int(header), block_size=2**31 - 1)
    try:
        return csv.read_csv(text, read, csv.ParseOptions(newlines_in_values=True), convert)
    except pa.ArrowInvalid as error:
        # pyarrow counts columns; people name them.
        told = re.sub(r"CSV column #(\d+)", lambda found: f"column {schema.names[int(found[1])]}", str(error))
        raise pa.ArrowInvalid(told) from error


@contextlib.contextmanager
def row_blocks(take: Callable[[pa.Buffer, bool], None]) -> Iterator[IO[bytes]]:
    """A file for COPY to write CSV into, that hands the rows on as they come.

    Nothing waits for anything here: COPY calls `write`, and every so often that call hands a block on. What `take`
    raises ends the COPY.

    Args:
        take: Gets the blocks in order, each of whole lines (so of whole rows, unless a text holds a line break), and
            whether it begins with the header.
    """
    blocks = _Blocks(take)
    sink = io.BufferedWriter(blocks, BLOCK)
    try:
        yield sink
        sink.flush()
    finally:
        blocks.ended = True  # what an interrupted COPY left in the buffer is nobody's
        sink.close()


class _Blocks(io.RawIOBase):
    def __init__(self, take: Callable[[pa.Buffer, bool], None]) -> None:
        self._take = take
        self._rest = b""
        self._first = True
        self.ended = False

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if not self.ended:
            block = b"".join([self._rest, data])
            end = block.rfind(b"\n") + 1
            self._rest = block[end:]
            if end:
                self._take(pa.py_buffer(block).slice(0, end), self._first)
                self._first = False
        return len(data)
