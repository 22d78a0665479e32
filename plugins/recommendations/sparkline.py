"""The RMSE of the last nights as a line, beside the bound it was held to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

WIDTH, HEIGHT, MARGIN = 600, 120, 10


@dataclass(frozen=True)
class Point:
    """A night in the picture.

    Args:
        x: From the left, in the picture's units.
        y: From the top.
        title: What is shown when it is pointed at.
        passed: Whether it did not block or fail; the others are drawn as crosses.
    """

    x: float
    y: float
    title: str
    passed: bool


@dataclass(frozen=True)
class Sparkline:
    """What the template draws.

    Args:
        points: The nights that have an RMSE, oldest first.
        bounds: The bound, from night to night, as the `points` of a polyline.
        low: The lowest value of RMSE and bound, which lies at the bottom.
        high: The highest one, at the top.
    """

    points: Sequence[Point]
    bounds: str
    low: float
    high: float

    @property
    def line(self) -> str:
        """The RMSE as the `points` of a polyline."""
        return " ".join(f"{point.x},{point.y}" for point in self.points)


def sparkline(nights: Sequence[dict[str, Any]], timezone: str) -> Sparkline | None:
    """Lays out the nights.

    Args:
        nights: As `recommender_job.reporting.nights` returns them, the newest first.
        timezone: IANA zone whose days are told.

    Returns:
        The picture; None where fewer than two nights got as far as an RMSE.
    """
    judged = [night for night in reversed(nights) if night["rmse"] is not None]
    if len(judged) < 2:
        return None
    bounds = [night["max_rmse"] for night in judged]
    values: list[float] = [*(night["rmse"] for night in judged), *(bound for bound in bounds if bound is not None)]
    low, high = min(values), max(values)
    zone = ZoneInfo(timezone)

    def x(place: int) -> float:
        return round(MARGIN + place * (WIDTH - 2 * MARGIN) / (len(judged) - 1), 1)

    def y(value: float) -> float:
        return round(MARGIN + (high - value) / ((high - low) or 1) * (HEIGHT - 2 * MARGIN), 1)

    return Sparkline(
        [
            Point(
                x(place),
                y(night["rmse"]),
                f"{night['cutoff'].astimezone(zone):%Y-%m-%d}: RMSE {night['rmse']:.4f}, {night['outcome']}",
                night["outcome"] in ("published", "dry run"),
            )
            for place, night in enumerate(judged)
        ],
        " ".join(f"{x(place)},{y(bound)}" for place, bound in enumerate(bounds) if bound is not None),
        low,
        high,
    )
