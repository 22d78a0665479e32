"""Moments as files write them: which formats are recognised, local time, and what is no moment."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd

from recommender_job.errors import BadFile

#: Tried in this order on the first batch, unless a format is given. Day-first dates are never guessed.
DATE_FORMATS = ("ISO8601", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "epoch seconds")
#: Dates outside are typing errors, and some of them no database driver could read back.
EARLIEST = pd.Timestamp("1970-01-01", tz="UTC")
LATEST = pd.Timestamp("2200-01-01", tz="UTC")

#: A sign or a Z behind a time of day begins an offset; the signs within a bare date do not.
_OFFSET = r"[zZ]$|[T ]\d[^+-]*[+-]"


def moments(texts: pd.Series, date_format: str, zone: ZoneInfo) -> pd.Series:
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
    found = pd.Series(pd.NaT, index=texts.index, dtype="datetime64[us, UTC]")
    for has_offset in (True, False):
        part = texts[offset == has_offset]
        if part.empty:
            continue
        parsed = pd.to_datetime(part, format=date_format, errors="coerce", utc=has_offset)
        if not has_offset and parsed.dt.tz is None:
            parsed = parsed.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
        found[part.index] = parsed.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
    return found


def recognised_format(dates: list[str], file: str) -> str | None:
    """The format of most dates; None when there is none to look at."""
    if not dates:
        return None
    texts = pd.Series(dates, dtype=object)
    for date_format in DATE_FORMATS:
        if moments(texts, date_format, ZoneInfo("UTC")).notna().mean() > 0.5:
            return date_format
    raise BadFile(
        f"{file}: dates such as {dates[0]!r} are in no known format.",
        action="Name it, for example --date-format %d/%m/%Y.",
    )


def zone_of(name: str) -> ZoneInfo:
    """The time zone of that name.

    Raises:
        BadFile: There is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadFile(f"There is no time zone {name!r}.", action="Use an IANA name like America/Bogota.") from None
