"""A run: one night, named by its id and bounded by its cutoff."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from recommender_job.errors import ConfigurationError


@dataclass(frozen=True)
class Run:
    """One night.

    Args:
        run_id: Name of the run; Airflow's run id, or one made by `Run.at`.
        cutoff: Ratings given before this moment are seen, later ones are not.
    """

    run_id: str
    cutoff: datetime

    def __post_init__(self) -> None:
        if self.cutoff.tzinfo is None:
            raise ValueError("cutoff must carry a time zone")

    @classmethod
    def at(cls, cutoff: datetime) -> Run:
        """The run of the command line: the same cutoff is the same run."""
        cutoff = cutoff.astimezone(UTC)
        return cls(f"night-{cutoff:%Y%m%dT%H%M%S}.{cutoff.microsecond:06d}Z", cutoff)

    @property
    def folder(self) -> str:
        """The run id as a folder name that every store takes."""
        return folder_of(self.run_id)


def folder_of(run_id: str) -> str:
    """A run id as a folder name."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", run_id)


def stage_of(shard: int) -> str:
    """Name of the stage that scores a shard."""
    return f"score-{shard:04d}"


def moment(text: str, timezone: str) -> datetime:
    """A moment from ISO 8601 text; one without an offset is local time of the zone.

    Raises:
        ConfigurationError: The text is no such time.
    """
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"{text!r} is not a time.", action="Write it as 2023-05-03T02:00, with an offset if you like."
        ) from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=ZoneInfo(timezone))
