"""Reads a ratings file in batches of bounded size; lines that cannot be read are kept with their reason."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from recommender_job.errors import BadFile
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.moments import DATE_FORMATS, EARLIEST, LATEST, moments, recognised_format, zone_of
from recommender_job.ratings.names import canonical, tidy

BATCH_LINES = 100_000
MISSING = "is empty"
NOT_TEXT = "is not text in the file's encoding"
NUL = "holds a NUL character"
#: Lines refused for these reasons are kept in characters that PostgreSQL stores: not quite as they were written.
NOT_KEPT_AS_WRITTEN = (NOT_TEXT, NUL)
#: As much of what stands in the user column as is kept; the database indexes it.
USER_CHARACTERS = 100


@dataclass(frozen=True)
class Batch:
    """Part of a file.

    Args:
        rows: Readable lines: `line` (int64), `user` (str), `experience` (str, tidy), `experience_key` (str, canonical),
            `experience_text` (str, as written), `rating` (float64), `rated_at` (datetime64[us, UTC], absent when the
            file has no dates), `content` (str, the whole line).
        rejected: Refused lines: `line` (int64), `column_name`, `reason`, `content` (str), `user_text` (str: the user as
            written, at most `USER_CHARACTERS`; None where the line has no such field).
        names: The file's name of the columns `user`, `experience`, `rating` and `rated_at`.
        header: The file's first line.
        date_format: How its dates are read; None while no line has shown that.
    """

    rows: pd.DataFrame
    rejected: pd.DataFrame
    names: dict[str, str]
    header: str
    date_format: str | None


@dataclass(frozen=True)
class _Record:
    """One line of the file."""

    line: int
    fields: list[str]
    error: str
    text: str

    @property
    def content(self) -> str:
        """The line in characters that PostgreSQL stores."""
        return _storable(self.text.rstrip("\r\n"))

    def field(self, place: int) -> str | None:
        """The text of a field, without blanks around it; None where the line is too short."""
        return _storable(self.fields[place].strip()) if place < len(self.fields) else None


def read_batches(file: Path, columns: Columns, *, dates_needed: bool = True) -> Iterator[Batch]:
    """Reads a CSV file of ratings. A record is one line: names hold no line breaks.

    Args:
        file: The file.
        columns: How to read it.
        dates_needed: Whether a file without dates is refused.

    Yields:
        Batches of at most `BATCH_LINES` lines, in the file's order.

    Raises:
        BadFile: The file is missing, empty, not text, or lacks a column.
    """
    zone = zone_of(columns.timezone)
    try:
        # Bytes that are not text become lone surrogates, so that one broken line does not spoil the file.
        with file.open(encoding=columns.encoding, errors="surrogateescape", newline="") as text:
            yield from _parse(enumerate(text, start=1), str(file), columns, zone, dates_needed)
    except LookupError:
        raise BadFile(f"There is no text encoding {columns.encoding!r}.", action="Use --encoding utf-8.") from None
    except UnicodeError as error:
        raise BadFile(f"{file} is not {columns.encoding} text: {error}.", action="Name it with --encoding.") from error
    except OSError as error:
        raise BadFile(f"{file}: {error.strerror}.", action="Check the path and its permissions.") from error


def read_lines_again(header: str, lines: Iterable[tuple[int, str]], columns: Columns, *, name: str) -> Iterator[Batch]:
    """Reads lines of a file that was read before.

    Args:
        header: The file's first line, as `Batch.header` had it.
        lines: Their numbers in the file, ascending, and what `Batch.rejected` kept as their content.
        columns: How to read them; with a `date_format`.
        name: What errors call the file.

    Yields:
        Batches as `read_batches` yields them. A blank line is in none.

    Raises:
        BadFile: The columns do not fit the header, or there is no such time zone or date format.
    """
    yield from _parse(chain([(0, header)], lines), name, columns, zone_of(columns.timezone), True)


def _parse(
    lines: Iterable[tuple[int, str]], name: str, columns: Columns, zone: ZoneInfo, dates_needed: bool
) -> Iterator[Batch]:
    records = _records(lines, columns.delimiter)
    header = next(records, None)
    if header is None:
        raise BadFile(f"{name} is empty.", action="Export it again; the first line must name the columns.")
    places = columns.places(header.fields, Path(name), dates_needed=dates_needed)
    date_format = columns.date_format
    while batch := list(islice(records, BATCH_LINES)):
        if "rated_at" in places and date_format is None:
            whole = [record.fields[places["rated_at"]] for record in batch if len(record.fields) == len(header.fields)]
            date_format = recognised_format(whole, name)
        try:
            yield _batch(batch, header, places, date_format, zone)
        except ValueError as error:
            if date_format in (None, *DATE_FORMATS):
                raise
            raise BadFile(
                f"{name}: {date_format!r} is no date format: {error}.", action="Correct --date-format."
            ) from error


def _records(lines: Iterable[tuple[int, str]], delimiter: str) -> Iterator[_Record]:
    """The lines of a file; blank ones are passed over.

    Each line is split by itself, so that a quote that is never closed costs its own line only.
    """
    for line, raw in lines:
        content = raw.removeprefix("\ufeff") if line == 1 else raw
        error = ""
        try:
            fields = next(csv.reader([content], delimiter=delimiter), [])
        except csv.Error as broken:
            fields, error = [], str(broken)
        if error or any(field.strip() for field in fields):
            yield _Record(line, fields, error, content)


def _batch(
    records: Sequence[_Record], header: _Record, places: dict[str, int], date_format: str | None, zone: ZoneInfo
) -> Batch:
    refused: list[tuple[int, str, str, str, str | None]] = []
    kept = []
    for record in records:
        if record.error:
            reason = f"cannot be split into fields: {record.error}"
        elif len(record.fields) != len(header.fields):
            reason = f"has {len(record.fields)} fields, the header {len(header.fields)}"
        elif any("\ud800" <= character <= "\udfff" for character in record.text):
            reason = NOT_TEXT
        else:
            kept.append(record)
            continue
        refused.append((record.line, "", reason, record.content, user_as_kept(record.field(places["user"]))))
    frame = pd.DataFrame(
        {"line": np.fromiter((record.line for record in kept), np.int64, len(kept))}
        | {role: pd.Series([record.fields[place] for record in kept], dtype=object) for role, place in places.items()}
        | {"content": pd.Series([record.content for record in kept], dtype=object)}
    )
    names = {role: header.fields[place] for role, place in places.items()}
    problem = pd.Series("", index=frame.index, dtype=object)
    column = pd.Series("", index=frame.index, dtype=object)

    def refuse(bad: pd.Series, role: str, reason: str) -> None:
        fresh = bad & (problem == "")
        problem[fresh] = reason
        column[fresh] = names[role]

    user = frame["user"].str.strip()
    refuse(user == "", "user", MISSING)
    # Each distinct name is worked out once; files repeat few names many times.
    distinct = {name: (tidy(name), canonical(name)) for name in frame["experience"].unique()}
    experience = frame["experience"].map(lambda name: distinct[name][0])
    key = frame["experience"].map(lambda name: distinct[name][1])
    refuse(key == "", "experience", MISSING)
    # PostgreSQL stores no NUL in text.
    refuse(experience.str.contains("\0", regex=False), "experience", NUL)
    refuse(user.str.contains("\0", regex=False), "user", NUL)
    rating = pd.to_numeric(frame["rating"].str.strip(), errors="coerce").astype("float64")
    refuse(~rating.map(math.isfinite), "rating", "is not a finite number")
    rows = {
        "line": frame["line"],
        "user": user,
        "experience": experience,
        "experience_key": key,
        "experience_text": frame["experience"],
        "rating": rating,
        "content": frame["content"],
    }
    if "rated_at" in places:
        rows["rated_at"] = moments(frame["rated_at"], date_format or DATE_FORMATS[0], zone)
        refuse(rows["rated_at"].isna(), "rated_at", f"is not a date like {date_format} in {zone.key}")
        refuse(~rows["rated_at"].between(EARLIEST, LATEST), "rated_at", "lies before 1970 or after 2199")
    bad = problem != ""
    kept_users = user[bad].map(lambda text: user_as_kept(_storable(text)))
    refused += zip(frame["line"][bad], column[bad], problem[bad], frame["content"][bad], kept_users, strict=True)
    refused.sort(key=lambda one: one[0])
    rejected = pd.DataFrame(refused, columns=["line", "column_name", "reason", "content", "user_text"], dtype=object)
    return Batch(
        pd.DataFrame(rows)[~bad].reset_index(drop=True),
        rejected.astype({"line": "int64"}),
        names,
        header.content,
        date_format,
    )


def user_as_kept(text: str | None) -> str | None:
    """As much of the user as the quarantine keeps beside the line."""
    return None if text is None else text[:USER_CHARACTERS]


def _storable(text: str) -> str:
    """A text in characters that PostgreSQL stores."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
