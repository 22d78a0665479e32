"""A checksum of a table's values, however they are cut into parts, files or pages."""

from __future__ import annotations

import zlib

import pyarrow as pa


class Checksum:
    """Taken part by part; the same rows in the same order make the same checksum."""

    def __init__(self) -> None:
        self._columns: dict[str, int] = {}

    def add(self, part: pa.Table) -> None:
        """Takes rows in; their columns hold numbers, none of them null."""
        for name in part.column_names:
            self._columns.setdefault(name, 0)
            for chunk in part[name].chunks:
                self._columns[name] = zlib.crc32(chunk.to_numpy().tobytes(), self._columns[name])

    @property
    def text(self) -> str:
        """Eight hexadecimal digits a column, in the order of the columns."""
        return "".join(f"{value:08x}" for value in self._columns.values())


def checksum(table: pa.Table) -> str:
    """The checksum of a whole table."""
    whole = Checksum()
    whole.add(table)
    return whole.text
