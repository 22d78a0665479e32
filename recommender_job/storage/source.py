"""Runs the source queries, the one part a customer edits, and holds them to their contract."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.errors
import pyarrow as pa
import pyarrow.csv as csv

from recommender_job.config import Config
from recommender_job.errors import SourceBroken
from recommender_job.storage.database import Transaction
from recommender_job.storage.paths import sql_folder

_SQL_TYPES = {pa.int64(): "bigint", pa.float32(): "real", pa.bool_(): "boolean", pa.string(): "text"}


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
    """Runs `<name>.sql` and returns its rows.

    Args:
        config: Says where the queries lie.
        transaction: All three queries of a run share one, so that they see the same moment.
        name: Name of the query's file, such as `ratings`.
        schema: Columns that the contract promises; nullable ones are marked as such.
        unique: A column in which no value may repeat.
        optional: Whether the file may be missing; there are no rows then.
        parameters: Values of the query's `%(name)s` parameters.

    Raises:
        SourceBroken: The query fails, lacks a column, or returns what does not fit; names file, column and cause.
    """
    file = (config.source_queries or sql_folder() / "source") / f"{name}.sql"
    try:
        if optional and not file.exists():
            return schema.empty_table()
        query = file.read_text("utf-8").strip().rstrip(";")
    except UnicodeError as error:
        raise SourceBroken(f"{file}: it is not utf-8 text: {error}.", action="Save it as UTF-8.") from error
    except OSError as error:
        raise SourceBroken(
            f"{file}: {error.strerror}.", action="Put the query there or set `source_queries`."
        ) from error
    columns = ", ".join(f"{field.name}::{_SQL_TYPES.get(field.type, 'timestamptz')}" for field in schema)
    with tempfile.TemporaryFile() as spool:
        try:
            # The query is the customer's own file and the columns are the contract's: neither is input.
            wrapped = f"select {columns} from (\n{query}\n) as source"  # noqa: S608 - see above
            transaction.copy_out(wrapped, parameters, spool)
        except psycopg2.errors.InsufficientPrivilege:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise SourceBroken(
                f"{file}: a `%` in it is neither doubled (%%) nor one of the parameters"
                f" {', '.join(f'%({key})s' for key in parameters) or '(there are none)'}: {error}",
                action=_hint(file, schema),
            ) from error
        except (psycopg2.ProgrammingError, psycopg2.DataError) as error:
            raise SourceBroken(f"{file}: {' '.join(str(error).split())}", action=_hint(file, schema)) from error
        spool.seek(0)
        table = _parsed(spool, schema, file)
    for field in schema:
        nulls = table[field.name].null_count
        if nulls and not field.nullable:
            raise SourceBroken(
                f"{file}: column {field.name} is null in {nulls} of {len(table)} rows.",
                action=f"Fill the column, or leave those rows out with `where {field.name} is not null`.",
            )
    if unique is not None:
        repeated = len(table) - len(table[unique].unique())
        if repeated:
            raise SourceBroken(
                f"{file}: {unique} repeats in {repeated} of {len(table)} rows.",
                action=f"Return each {unique} once, for example with `distinct on ({unique})`.",
            )
    return table.cast(schema)


def _parsed(spool: Any, schema: pa.Schema, file: Path) -> pa.Table:
    convert = csv.ConvertOptions(
        column_types=schema,
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=["t"],
        false_values=["f"],
    )
    parse = csv.ParseOptions(newlines_in_values=True)
    try:
        return csv.read_csv(spool, parse_options=parse, convert_options=convert)
    except pa.ArrowInvalid as error:
        # pyarrow counts columns; people name them.
        told = re.sub(r"CSV column #(\d+)", lambda found: f"column {schema.names[int(found[1])]}", str(error))
        raise SourceBroken(f"{file}: {told}", action=_hint(file, schema)) from error


def _hint(file: Path, schema: pa.Schema) -> str:
    return f"Correct {file.name}; it must return {', '.join(f'{field.name} {field.type}' for field in schema)}."
