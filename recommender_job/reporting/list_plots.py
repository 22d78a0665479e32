"""The plot of how the places in lists are shared out among the experiences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from recommender_job.reporting.drawing import BLUE, GREY, VERMILION, Plot, drawn
from recommender_job.reporting.exposure import Exposure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Points of a curve that are drawn, however many experiences there are.
POINTS = 120


def concentration_plot(exposure: Exposure) -> Plot:
    """Share of the places that the most recommended experiences hold, beside the ratings of the most rated ones."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 100], [0, 100], ":", color=GREY, label="all alike")
        for column, colour, line, label in (
            ("ratings", VERMILION, "--", "ratings"),
            ("places", BLUE, "-", "places in lists"),
        ):
            curve = exposure.concentration(column)
            at = np.linspace(0, 1, POINTS)
            axes.plot(
                100 * at, 100 * np.interp(at, np.linspace(0, 1, len(curve)), curve), line, color=colour, label=label
            )
        axes.set_xlabel("experiences, most common first (%)")
        axes.set_ylabel("share of all (%)")
        axes.set_xlim(0, 100)
        axes.set_ylim(0, 102)
        axes.legend(loc="lower right")

    caption = (
        f"The most recommended tenth of the experiences holds {exposure.held_by_top_tenth('places'):.0%} of the places"
        f" in lists; the most rated tenth has {exposure.held_by_top_tenth('ratings'):.0%} of the ratings."
    )
    return drawn("concentration", caption, 3.2, draw)
