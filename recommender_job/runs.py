"""A run: one night, named by its id and bounded by its cutoff."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime


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
        return re.sub(r"[^A-Za-z0-9._-]", "-", self.run_id)
