"""Damaged files are told at the end: everything else shall be erased all the same."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from recommender_job.errors import ArtifactBroken


class Problems:
    """Collects what could not be read."""

    def __init__(self) -> None:
        self.causes: list[str] = []

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Goes on after the block when a file in it is damaged."""
        try:
            yield
        except ArtifactBroken as error:
            if error.cause not in self.causes:
                self.causes.append(error.cause)
