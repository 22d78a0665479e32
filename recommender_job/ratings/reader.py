"""Reads a ratings file in batches of bounded size; lines that cannot be read are kept with their reason."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from recommender_job.errors import BadFile
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.names import canonical, tidy

BATCH_LINES = 100_000
#: Tried in this order on the first batch, unless a format is given. Day-first dates are never guessed.
DATE_FORMATS = ("ISO8601", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "epoch seconds")
#: Dates outside are typing errors, and some of them no database driver could read back.
EARLIEST = pd.Timestamp("1970-01-01", tz="UTC")
LATEST = pd.Timestamp("2200-01-01", tz="UTC")
MISSING = "is empty"


#: A time of day with an offset behind it; a bare date ends in digits too.
_OFFSET = r"(?:[zZ]|:\d{2}[^+-]*[+-]\d{2}(?::?\d{2})?)$"


@dataclass(frozen=True)
class Batch:
    """Part of a file.

    Args:
        rows: Readable lines: `line` (int64), `user` (str), `experience` (str, tidy), `experience_key` (str, canonical),
            `experience_text` (str, as written), `rating` (float64), `rated_at` (datetime64[us, UTC], absent when the
            file has no dates), `content` (str, the whole line).
        rejected: Refused lines: `line` (int64), `column_name`, `reason`, `content` (str).
        names: The file's name of the columns `user`, `experience`, `rating` and `rated_at`.
    """

    rows: pd.DataFrame
    rejected: pd.DataFrame
    names: dict[str, str]


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
        return self.text.rstrip("\r\n").encode("utf-8", "replace").decode().replace("\0", "\ufffd")


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
    zone = _zone(columns.timezone)
    try:
        # Bytes that are not text become lone surrogates, so that one broken line does not spoil the file.
        with file.open(encoding=columns.encoding, errors="surrogateescape", newline="") as text:
            yield from _parse(text, file, columns, zone, dates_needed)
    except LookupError:
        raise BadFile(f"There is no text encoding {columns.encoding!r}.", action="Use --encoding utf-8.") from None
    except UnicodeError as error:
        raise BadFile(f"{file} is not {columns.encoding} text: {error}.", action="Name it with --encoding.") from error
    except OSError as error:
        raise BadFile(f"{file}: {error.strerror}.", action="Check the path and its permissions.") from error


def _parse(text: IO[str], file: Path, columns: Columns, zone: ZoneInfo, dates_needed: bool) -> Iterator[Batch]:
    records = _records(text, columns.delimiter)
    header = next((record.fields for record in records), None)
    if header is None:
        raise BadFile(f"{file} is empty.", action="Export it again; the first line must name the columns.")
    places = columns.places(header, file, dates_needed=dates_needed)
    date_format = columns.date_format
    while batch := list(islice(records, BATCH_LINES)):
        if "rated_at" in places and date_format is None:
            whole = [record.fields[places["rated_at"]] for record in batch if len(record.fields) == len(header)]
            date_format = _recognised_format(whole, file)
        try:
            yield _batch(batch, header, places, date_format, zone)
        except ValueError as error:
            if date_format in (None, *DATE_FORMATS):
                raise
            raise BadFile(
                f"{file}: {date_format!r} is no date format: {error}.", action="Correct --date-format."
            ) from error


def _records(text: IO[str], delimiter: str) -> Iterator[_Record]:
    """The lines of a file; blank ones are passed over.

    Each line is split by itself, so that a quote that is never closed costs its own line only.
    """
    for line, raw in enumerate(text, start=1):
        content = raw.removeprefix("\ufeff") if line == 1 else raw
        error = ""
        try:
            fields = next(csv.reader([content], delimiter=delimiter), [])
        except csv.Error as broken:
            fields, error = [], str(broken)
        if error or any(field.strip() for field in fields):
            yield _Record(line, fields, error, content)


def _batch(
    records: list[_Record], header: list[str], places: dict[str, int], date_format: str | None, zone: ZoneInfo
) -> Batch:
    refused: list[tuple[int, str, str, str]] = []
    kept = []
    for record in records:
        if record.error:
            reason = f"cannot be split into fields: {record.error}"
        elif len(record.fields) != len(header):
            reason = f"has {len(record.fields)} fields, the header {len(header)}"
        elif any("\ud800" <= character <= "\udfff" for character in record.text):
            reason = "is not text in the file's encoding"
        else:
            kept.append(record)
            continue
        refused.append((record.line, "", reason, record.content))
    frame = pd.DataFrame(
        {"line": np.fromiter((record.line for record in kept), np.int64, len(kept))}
        | {role: pd.Series([record.fields[place] for record in kept], dtype=object) for role, place in places.items()}
        | {"content": pd.Series([record.content for record in kept], dtype=object)}
    )
    names = {role: header[place] for role, place in places.items()}
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
    refuse(experience.str.contains("\0", regex=False), "experience", "holds a NUL character")
    refuse(user.str.contains("\0", regex=False), "user", "holds a NUL character")
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
        rows["rated_at"] = _moments(frame["rated_at"], date_format or DATE_FORMATS[0], zone)
        refuse(rows["rated_at"].isna(), "rated_at", f"is not a date like {date_format} in {zone.key}")
        refuse(~rows["rated_at"].between(EARLIEST, LATEST), "rated_at", "lies before 1970 or after 2199")
    bad = problem != ""
    refused += zip(frame["line"][bad], column[bad], problem[bad], frame["content"][bad], strict=True)
    rejected = pd.DataFrame(sorted(refused), columns=["line", "column_name", "reason", "content"])
    return Batch(pd.DataFrame(rows)[~bad].reset_index(drop=True), rejected, names)


def _moments(texts: pd.Series, date_format: str, zone: ZoneInfo) -> pd.Series:
    """Moments in UTC; NaT where a text is no date, or no single moment of local time."""
    texts = texts.str.strip()
    if date_format == "epoch seconds":
        seconds = pd.to_numeric(texts, errors="coerce")
        seconds = seconds.where(seconds.between(EARLIEST.timestamp(), LATEST.timestamp()))
        return pd.to_datetime((seconds * 1e6).round().astype("Int64"), unit="us", utc=True).astype(
            "datetime64[us, UTC]"
        )
    if date_format == "ISO8601":
        offset = texts.str.contains(_OFFSET, regex=True)
    else:
        offset = pd.Series("%z" in date_format, index=texts.index)
    moments = pd.Series(pd.NaT, index=texts.index, dtype="datetime64[us, UTC]")
    for has_offset in (True, False):
        part = texts[offset == has_offset]
        if part.empty:
            continue
        parsed = pd.to_datetime(part, format=date_format, errors="coerce", utc=has_offset)
        if not has_offset and parsed.dt.tz is None:
            parsed = parsed.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
        moments[part.index] = parsed.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
    return moments


def _recognised_format(dates: list[str], file: Path) -> str | None:
    """The format of most dates; None when there is none to look at."""
    if not dates:
        return None
    texts = pd.Series(dates, dtype=object)
    for date_format in DATE_FORMATS:
        if _moments(texts, date_format, ZoneInfo("UTC")).notna().mean() > 0.5:
            return date_format
    raise BadFile(
        f"{file}: dates such as {dates[0]!r} are in no known format.",
        action="Name it, for example --date-format %d/%m/%Y.",
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadFile(f"There is no time zone {name!r}.", action="Use an IANA name like America/Bogota.") from None
