"""Texts among the settings that have to make sense by themselves."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator


def _holds_no_secret(url: str) -> str:
    """It is shown in errors and logs."""
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise ValueError("must not hold a user or a password; give them by the store's own settings")
    return url


def _zone_exists(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("there is no such time zone") from None
    return name


#: A path or fsspec URL without user and password.
StoreUrl = Annotated[str, AfterValidator(_holds_no_secret)]

#: An IANA time zone.
ZoneName = Annotated[str, AfterValidator(_zone_exists)]
