"""Runs the source queries, the one part a customer edits, and holds them to their contract."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psycopg2
import psycopg2.errors
import pyarrow as pa
import pyarrow.parquet as pq

from recommender_job.config import Config
from recommender_job.errors import SourceBroken
from recommender_job.storage.binary_rows import BinaryRows
from recommender_job.storage.database import Transaction
from recommender_job.storage.paths import sql_folder
from recommender_job.storage.text_rows import parsed
from recommender_job.storage.translation import said

_SQL_TYPES = {pa.int64(): "bigint", pa.float32(): "real", pa.bool_(): "boolean", pa.string(): "text"}
#: What Python and Parquet can hold of PostgreSQL's moments; others, `infinity` among them, become the nearer of these.
_FIRST_MOMENT, _LAST_MOMENT = "0001-01-01 00:00:00+00", "9999-12-31 23:59:59.999999+00"


def read_source(
    config: Config,
    transaction: Transaction,
    name: str,
    schema: pa.Schema,
    *,
    unique: str | None = None,
    optional: bool = False,
    **parameters: Any,
) -> pa.Table:
    """Runs `<name>.sql` and returns its rows, all of them in memory.

    Args:
        config: Says where the queries lie.
        transaction: All queries of a run share one, so that they see the same moment.
        name: Name of the query's file, such as `users`.
        schema: Columns that the contract promises; nullable ones are marked as such. Moments before year 1 or after
            year 9999, the infinite ones too, come as the first or the last of those years.
        unique: A column in which no value may repeat.
        optional: Whether the file may be missing; there are no rows then.
        parameters: Values of the query's `%(name)s` parameters.

    Raises:
        SourceBroken: The query fails, lacks a column, or returns what does not fit; names file, column and cause.
    """
    query = _query(config, name, schema, optional=optional)
    with tempfile.TemporaryFile() as spool:  # without a name: a killed process leaves nothing behind
        query.copy_out(transaction, parameters, spool)
        spool.flush()
        table = query.parsed(pa.memory_map(f"/proc/self/fd/{spool.fileno()}"))
    query.refuse_nulls({field.name: table[field.name].null_count for field in schema}, len(table))
    if unique is not None:
        repeated = len(table) - len(table[unique].unique())
        if repeated:
            raise SourceBroken(
                f"{query.file}: {unique} repeats in {repeated} of {len(table)} rows.",
                action=f"Return each {unique} once, for example with `distinct on ({unique})`.",
            )
    return table.cast(schema)


def spool_source(
    config: Config,
    transaction: Transaction,
    name: str,
    schema: pa.Schema,
    into: Path,
    *,
    optional: bool = False,
    **parameters: Any,
) -> int:
    """Runs `<name>.sql` and writes its rows into a Parquet file, holding some hundred thousand at a time.

    Args:
        config, transaction, name, optional, parameters: As for `read_source`.
        schema: As for `read_source`; without text columns.
        into: The file. Without rows, or without an optional query, it holds none.

    Returns:
        Rows written.

    Raises:
        SourceBroken: As for `read_source`. The file is then of no use.
        OSError: The file cannot be written.
    """
    query = _query(config, name, schema, optional=optional)
    with spool_writer(into, schema) as writer:
        rows = BinaryRows(schema, writer.write_table)
        with rows.sink() as sink:
            written = query.copy_out(transaction, parameters, sink, select=", ".join(schema.names), binary=True)
    if rows.rows < written:
        query.refuse_nulls(*query.nulls(transaction, parameters))
        raise query.broken("a column was null in a row, and no longer when the nulls were counted")
    return written


def spool_writer(into: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Writes a file that is read once and soon: as it comes, since packing would take longer than all the rest."""
    return pq.ParquetWriter(into, schema, compression="none", use_dictionary=False)


def count_source(config: Config, transaction: Transaction, name: str, schema: pa.Schema, **parameters: Any) -> int:
    """How many rows `<name>.sql` returns; nothing but their number leaves the database.

    Raises:
        SourceBroken: The query fails.
    """
    return int(_query(config, name, schema).counts(transaction, parameters, "count(*)")[0])


@dataclass(frozen=True)
class _Query:
    file: Path
    text: str
    schema: pa.Schema

    def copy_out(
        self,
        transaction: Transaction,
        parameters: dict[str, Any],
        sink: IO[bytes],
        *,
        select: str | None = None,
        binary: bool = False,
    ) -> int:
        typed = ", ".join(
            f"{field.name}::{_SQL_TYPES.get(field.type, 'timestamptz')} as {field.name}" for field in self.schema
        )
        # The query is the customer's own file and the columns are the contract's: neither is input.
        columns = select or ", ".join(map(_selected, self.schema))
        wrapped = f"select {columns} from (select {typed} from (\n{self.text}\n) as source) as typed"  # noqa: S608 - neither file nor names are input
        try:
            return transaction.copy_out(wrapped, parameters, sink, binary=binary)
        except psycopg2.errors.InsufficientPrivilege:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise self.broken(
                "a `%` in it is neither doubled (%%) nor one of the parameters"
                f" {', '.join(f'%({key})s' for key in parameters) or '(there are none)'}: {error}"
            ) from error
        except (psycopg2.ProgrammingError, psycopg2.DataError) as error:
            raise self.broken(said(error, where=True)) from error

    def counts(self, transaction: Transaction, parameters: dict[str, Any], select: str) -> list[int]:
        found = io.BytesIO()
        self.copy_out(transaction, parameters, found, select=select)
        _names, counted = found.getvalue().split()
        return [int(number) for number in counted.split(b",")]

    def nulls(self, transaction: Transaction, parameters: dict[str, Any]) -> tuple[dict[str, int], int]:
        """How many values of each column are null, and how many rows there are."""
        counts = ", ".join(f"count({name})" for name in self.schema.names)
        rows, *filled = self.counts(transaction, parameters, f"count(*), {counts}")
        return {name: rows - one for name, one in zip(self.schema.names, filled, strict=True)}, rows

    def parsed(self, text: pa.NativeFile) -> pa.Table:
        try:
            return parsed(text, self.schema)
        except pa.ArrowInvalid as error:
            raise self.broken(str(error)) from error

    def refuse_nulls(self, nulls: Mapping[str, int], rows: int) -> None:
        for field in self.schema:
            if nulls[field.name] and not field.nullable:
                raise SourceBroken(
                    f"{self.file}: column {field.name} is null in {nulls[field.name]} of {rows} rows.",
                    action=f"Fill the column, or leave those rows out with `where {field.name} is not null`.",
                )

    def broken(self, cause: str) -> SourceBroken:
        contract = ", ".join(f"{field.name} {field.type}" for field in self.schema)
        return SourceBroken(f"{self.file}: {cause}", action=f"Correct {self.file.name}; it must return {contract}.")


def _query(config: Config, name: str, schema: pa.Schema, *, optional: bool = False) -> _Query:
    file = (config.source_queries or sql_folder() / "source") / f"{name}.sql"
    try:
        return _Query(file, file.read_text("utf-8").strip().rstrip(";"), schema)
    except UnicodeError as error:
        raise SourceBroken(f"{file}: it is not utf-8 text: {error}.", action="Save it as UTF-8.") from error
    except FileNotFoundError as error:
        if optional:
            nothing = ", ".join(f"null as {field.name}" for field in schema)
            return _Query(file, f"select {nothing} where false", schema)
        raise _unreadable(file, error) from error
    except OSError as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: OSError) -> SourceBroken:
    return SourceBroken(f"{file}: {error.strerror}.", action="Put the query there or set `source_queries`.")


def _selected(field: pa.Field) -> str:
    if field.type in _SQL_TYPES:
        return str(field.name)
    return (
        f"case when {field.name} < '{_FIRST_MOMENT}' then '{_FIRST_MOMENT}'"
        f" when {field.name} > '{_LAST_MOMENT}' then '{_LAST_MOMENT}' else {field.name} end as {field.name}"
    )
