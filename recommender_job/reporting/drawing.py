"""Drawing a plot as inline SVG: same look for all, the same bytes for the same figures, nothing fetched from outside.

Colours are those of Okabe and Ito, which people who are colour-blind can tell apart; what differs in colour differs in
marker, dash or label as well.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, VERMILION, GREEN, ORANGE, GREY, INK = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#6B6B6B", "#1A1A1A"

#: Inches; at 72 points an inch about as wide as a phone, so that text is no smaller there than it was drawn.
WIDTH = 5.2
_LOOK = {
    "svg.fonttype": "none",  # text stays text: small, searchable, and readable at any size
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Helvetica", "Arial"],
    "font.size": 11.5,
    "axes.labelsize": 11.5,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "legend.fontsize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 6,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


@dataclass(frozen=True)
class Plot:
    """A drawn plot.

    Args:
        svg: The element, to be put into HTML as it is.
        caption: What to see in it, in a sentence; also read out in its place.
    """

    svg: Markup
    caption: str


def drawn(name: str, caption: str, height: float, draw: Callable[[Axes], None]) -> Plot:
    """Draws one plot.

    Args:
        name: Of the plot; keeps the ids inside apart from those of others on the page.
        caption: Says in words what is to be seen.
        height: In inches; the width is `WIDTH`.
        draw: Draws into the axes.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import TightLayoutEngine

    with matplotlib.rc_context({**_LOOK, "svg.hashsalt": name}):  # type: ignore[dict-item]  # stubs want literals
        figure = Figure(figsize=(WIDTH, height))
        FigureCanvasSVG(figure)
        draw(figure.add_subplot())
        TightLayoutEngine(pad=0.3).execute(figure)  # a figure that has a layout is laid out and drawn twice
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return Plot(Markup(_inline(buffer.getvalue(), name, caption)), caption)


def _inline(svg: str, name: str, caption: str) -> str:
    """The element alone, without what a file needs: namespaces, metadata, a fixed size."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    box = re.search(r'viewBox="[^"]*"', svg)
    opening = f'<svg class="plot" role="img" aria-label="{escape(caption)}" {box.group() if box else ""}>'
    svg = re.sub(r"^<svg[^>]*>", lambda _: opening, svg)
    svg = re.sub(r"<style[^>]*>.*?</style>", "", svg, flags=re.DOTALL)  # the page's own style says the same
    # What is numbered rather than hashed would have the same id in every plot.
    svg = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", svg)
    svg = re.sub(r"font-family: [^;\"]*; ", "", svg)
    svg = re.sub(r' transform="rotate\(-0 [^"]*"', "", svg)
    svg = re.sub(r' (?:d|x|y|width|height)="[^"]*"', lambda found: _shorter(found.group()), svg)
    return re.sub(r"\s*\n\s*", " ", svg).strip()


def _shorter(coordinates: str) -> str:
    """Coordinates to a hundredth of a point, which nobody sees."""
    return re.sub(r"(-?\d+\.\d{2})\d+", r"\1", coordinates)
