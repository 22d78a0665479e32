"""Columns and types of every frame that crosses a stage, in one place.

A frame is checked where it enters a stage; what is wrong names the table and the column.
"""

from __future__ import annotations

import pandas as pd
import pandera.pandas as pa
import pyarrow as arrow

from recommender_job.errors import ArtifactBroken

USER = "user_id"
EXPERIENCE = "experience_id"
RATING = "rating"
RATED_AT = "rated_at"
UPDATED_AT = "updated_at"
RANK = "rank"
NAME = "name"
PREDICTED = "predicted_rating"
GROUP = "group_name"
PINNED_RANK = "pinned_rank"

_MOMENT = arrow.timestamp("us", tz="UTC")


def _column(name: str, kind: arrow.DataType, *, nullable: bool = False) -> arrow.Field:
    return arrow.field(name, kind, nullable)


#: What the source queries return (the contract in docs/table-contract.md). A null rating is refused later, by `clean`.
SOURCE_RATINGS = arrow.schema(
    [
        _column(USER, arrow.int64()),
        _column(EXPERIENCE, arrow.int64()),
        _column(RATING, arrow.float32(), nullable=True),
        _column(RATED_AT, _MOMENT),
        _column(UPDATED_AT, _MOMENT),
    ]
)
SOURCE_EXPERIENCES = arrow.schema(
    [
        _column(EXPERIENCE, arrow.int64()),
        _column(NAME, arrow.string()),
        _column("is_active", arrow.bool_()),
        _column("available_from", _MOMENT, nullable=True),
        _column("available_until", _MOMENT, nullable=True),
    ]
)
SOURCE_USERS = arrow.schema([_column(USER, arrow.int64()), _column("is_active", arrow.bool_())])

#: Optional: keys of ratings that are gone; what users do not want; how experiences may be offered.
SOURCE_DELETIONS = arrow.schema(
    [_column(USER, arrow.int64()), _column(EXPERIENCE, arrow.int64()), _column(RATED_AT, _MOMENT)]
)
SOURCE_OPT_OUTS = arrow.schema(
    [_column(USER, arrow.int64()), _column(EXPERIENCE, arrow.int64()), _column("until", _MOMENT, nullable=True)]
)
SOURCE_EXPERIENCE_RULES = arrow.schema(
    [
        _column(EXPERIENCE, arrow.int64()),
        _column(GROUP, arrow.string(), nullable=True),
        _column(PINNED_RANK, arrow.int64(), nullable=True),
        _column("is_excluded", arrow.bool_()),
    ]
)

#: The predicted rating of every scored pair, clipped to the scale.
ALL_PREDICTIONS = arrow.schema(
    [_column(USER, arrow.int64()), _column(EXPERIENCE, arrow.int64()), _column(PREDICTED, arrow.float32())]
)

#: Rows of a snapshot that `clean` refuses, and why.
REFUSED_RATINGS = arrow.schema(
    [*SOURCE_RATINGS, _column("column_name", arrow.string()), _column("reason", arrow.string())]
)
#: The file of the clean ratings: what `RATINGS` says of frames.
CLEAN_RATINGS = arrow.schema(
    [
        _column(USER, arrow.int64()),
        _column(EXPERIENCE, arrow.int64()),
        _column(RATING, arrow.float32()),
        _column(RATED_AT, _MOMENT),
    ]
)

_RATED_AT = pa.Column("datetime64[us, UTC]")

#: Clean ratings: one row for each (user, experience), in the order of events: by rated_at, then by when it was written.
RATINGS = pa.DataFrameSchema(
    {
        USER: pa.Column("int64"),
        EXPERIENCE: pa.Column("int64"),
        RATING: pa.Column("float32"),
        RATED_AT: _RATED_AT,
    },
    unique=[USER, EXPERIENCE],
    strict=True,
    ordered=True,
    name="ratings",
)


def _ascends(lists: pd.DataFrame) -> bool:
    """Whether each row's (user, rank) is above that of the row before; hence none stands twice."""
    user, rank = lists[USER].to_numpy(), lists[RANK].to_numpy()
    same = user[1:] == user[:-1]
    return bool(((user[1:] > user[:-1]) | (same & (rank[1:] > rank[:-1]))).all())


#: Top-N lists of one shard, ascending by user and rank: `rank` from 1, `predicted_rating` within the scale.
LISTS = pa.DataFrameSchema(
    {
        USER: pa.Column("int64"),
        RANK: pa.Column("int16", pa.Check.ge(1)),
        EXPERIENCE: pa.Column("int64"),
        PREDICTED: pa.Column("float32"),
    },
    checks=pa.Check(_ascends, error=f"rows must ascend by {USER} and {RANK}, and none may stand twice"),
    strict=True,
    ordered=True,
    name="lists",
)


def checked(frame: pd.DataFrame, schema: pa.DataFrameSchema) -> pd.DataFrame:
    """Returns the very frame when it keeps the schema. It is not changed, since no schema converts anything.

    Raises:
        ArtifactBroken: Names the table, the column and the first offending values.
    """
    try:
        return schema.validate(frame, lazy=False, inplace=True)  # else it is copied first
    except pa.errors.SchemaError as error:
        raise ArtifactBroken(
            f"Table `{schema.name}` breaks its contract: {str(error).splitlines()[0]}.",
            action="Clear the stage that wrote it, so that it is written again.",
        ) from error
