"""What COPY writes as CSV, as an Arrow table."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.csv as csv


def parsed(text: pa.NativeFile, schema: pa.Schema) -> pa.Table:
    """Rows that COPY wrote as CSV: an empty field is null, an empty text is quoted.

    Args:
        text: A line with the columns' names, and the rows.
        schema: Their columns, in order. Whether a column may be null is not looked at.

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
    read = csv.ReadOptions(column_names=schema.names, skip_rows=1, block_size=2**31 - 1)
    try:
        return csv.read_csv(text, read, csv.ParseOptions(newlines_in_values=True), convert)
    except pa.ArrowInvalid as error:
        # pyarrow counts columns; people name them.
        told = re.sub(r"CSV column #(\d+)", lambda found: f"column {schema.names[int(found[1])]}", str(error))
        raise pa.ArrowInvalid(told) from error
