"""Plots of predicted ratings: RMSE beside others and over the nights, by slices, calibration, how they are spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recommender_job.reporting.drawing import BLUE, GREEN, GREY, INK, ORANGE, VERMILION, Plot, drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: How a night's outcome is drawn: marker, colour, whether it is filled.
_OUTCOMES = {
    "published": ("o", BLUE, True),
    "dry run": ("s", GREEN, False),
    "blocked": ("X", VERMILION, True),
    "failed": ("v", GREY, False),
}


DAYS_OF_A_YEAR = 300  # from here on, day and month alone mislead


def rmse_plot(rows: Sequence[Mapping[str, Any]], bound: float) -> Plot:
    """RMSE of the model and of what it is compared with, with intervals.

    Args:
        rows: `name`, `rmse`, `interval` (a pair or None), `kind`: challenger, champion or naive; best shown on top.
        bound: The gate's.
    """
    looks = {"challenger": ("o", BLUE), "champion": ("D", VERMILION), "naive": ("s", GREY)}

    def draw(axes: Axes) -> None:
        for place, row in enumerate(reversed(rows)):
            marker, colour = looks[row["kind"]]
            if row["interval"]:
                axes.plot(row["interval"], [place, place], color=colour, linewidth=2.4, solid_capstyle="butt")
            axes.plot(row["rmse"], place, marker, color=colour)
        axes.axvline(bound, color=INK, linestyle="--", linewidth=1.3)
        left, right = axes.get_xlim()
        side, offset = ("right", -5) if bound > (left + right) / 2 else ("left", 5)
        place_of_bound = (bound, len(rows) - 0.4)
        axes.annotate(f"bound {bound:g}", place_of_bound, (offset, 0), textcoords="offset points", ha=side)
        axes.set_yticks(range(len(rows)), [row["name"] for row in reversed(rows)])
        axes.set_ylim(-0.6, len(rows) - 0.05)
        axes.set_xlabel("RMSE (rating points; left is better)")
        axes.grid(axis="y", visible=False)

    own = next(row for row in rows if row["kind"] == "challenger")
    others = [row for row in rows if row["kind"] == "naive"]
    best = min(others, key=lambda row: row["rmse"]) if others else None
    beside = f"; the best naive predictor, {best['name']}, {best['rmse']:.3f}" if best else ""
    caption = (
        f"Tonight's model has an RMSE of {own['rmse']:.3f}{beside}; the bound is {bound:g}. Bars: how far chance may"
        " move each."
    )
    return drawn("rmse", caption, 0.34 * len(rows) + 0.9, draw)


def history_plot(nights: Sequence[Mapping[str, Any]]) -> Plot:
    """RMSE of the last nights against the bound.

    Args:
        nights: Rows of the table of nights, the oldest first; the last one is tonight's.
    """
    rmse = np.array([np.nan if night["rmse"] is None else night["rmse"] for night in nights], float)
    bound = np.array([np.nan if night["max_rmse"] is None else night["max_rmse"] for night in nights], float)
    naive = np.array([night["figures"].get("best_naive_rmse") or np.nan for night in nights], float)
    places = np.arange(len(nights))

    def draw(axes: Axes) -> None:
        known = np.isfinite(rmse)
        axes.plot(places[known], rmse[known], color=BLUE, linewidth=1.2, alpha=0.6)
        axes.step(places, bound, where="mid", color=INK, linestyle="--", linewidth=1.3, label="bound")
        if np.isfinite(naive).any():
            axes.plot(places, naive, ":", marker=".", color=GREY, label="best naive")
        low, high = axes.get_ylim()
        axes.set_ylim(low - 0.12 * (high - low), high + 0.04 * (high - low))
        bottom = axes.get_ylim()[0]
        for outcome, (marker, colour, filled) in _OUTCOMES.items():
            mine = [place for place, night in enumerate(nights) if night["outcome"] == outcome]
            if not mine:
                continue
            at = [rmse[place] if known[place] else bottom for place in mine]
            face = colour if filled else "white"
            style: dict[str, Any] = {"color": colour, "markerfacecolor": face, "linestyle": "none", "clip_on": False}
            axes.plot(mine, at, marker, label=outcome, zorder=3, **style)
        ticks = np.unique(np.linspace(0, len(nights) - 1, min(len(nights), 4)).round().astype(int))
        form = "%d %b" if (nights[-1]["cutoff"] - nights[0]["cutoff"]).days < DAYS_OF_A_YEAR else "%d %b %y"
        axes.set_xticks(ticks, [nights[place]["cutoff"].strftime(form) for place in ticks])
        axes.set_xlim(-0.5, len(nights) - 0.5)
        axes.set_ylabel("RMSE (rating points)")
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(-0.15, 1),
            borderaxespad=0.2,
            ncols=3,
            handlelength=1.6,
            columnspacing=1.2,
        )

    missing = int(np.isnan(rmse).sum())
    without = f" {missing} without an RMSE stand on the bottom line." if missing else ""
    caption = f"RMSE of the last {len(nights)} nights, tonight's at the right, against the gate's bound.{without}"
    return drawn("history", caption, 3.0, draw)


def slices_plot(name: str, what: str, classes: Mapping[str, Mapping[str, Any]], overall: float) -> Plot:
    """RMSE by class.

    Args:
        name: Of the plot.
        what: The classes, for the axis.
        classes: `rmse` and `n` (pairs) by label, in order.
        overall: RMSE on all pairs.
    """
    labels = list(classes)

    def draw(axes: Axes) -> None:
        values = [classes[label]["rmse"] for label in labels]
        axes.bar(range(len(labels)), values, color=BLUE, width=0.62)
        axes.axhline(overall, color=INK, linestyle="--", linewidth=1.3)
        # The dashed line passes behind the figures.
        label = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        for place, value in enumerate(values):
            axes.annotate(
                f"{value:.2f}",
                (place, value),
                (0, 4),
                textcoords="offset points",
                ha="center",
                bbox=label,
            )
        axes.set_xticks(range(len(labels)), [f"{label}\nn {classes[label]['n']:,}" for label in labels])
        axes.set_ylim(0, max([*values, overall]) * 1.18)
        axes.set_xlabel(what)
        axes.set_ylabel("RMSE (rating points)")
        axes.grid(axis="x", visible=False)

    caption = f"RMSE by {what.lower()}; the dashed line is all pairs, {overall:.2f}. n: held-out pairs."
    return drawn(name, caption, 2.9, draw)


def calibration_plot(calibration: Mapping[str, Any]) -> Plot:
    """Mean rating against mean prediction of pairs in groups by prediction.

    Args:
        calibration: As `evaluating.calibration` gives it.
    """
    bins = calibration["bins"]
    predicted, rated = ([part[key] for part in bins] for key in ("predicted", "rated"))

    def draw(axes: Axes) -> None:
        ends = [min(predicted + rated), max(predicted + rated)]
        axes.plot(ends, ends, "--", color=INK, linewidth=1.3, label="perfect")
        axes.plot(predicted, rated, "-", color=BLUE, marker="o", label="tonight's model")
        axes.set_xlabel("mean predicted rating of a group")
        axes.set_ylabel("mean rating given")
        axes.legend(loc="upper left")

    sizes = sorted(part["n"] for part in bins)
    pairs = f"{sizes[0]:,}" if sizes[0] == sizes[-1] else f"{sizes[0]:,} to {sizes[-1]:,}"
    caption = (
        f"What is predicted against what is given, in {len(bins)} groups of {pairs} pairs; on average they are"
        f" {calibration['error']:.2f} rating points apart. Below the dashed line, predictions are too high."
    )
    return drawn("calibration", caption, 3.2, draw)


def ratings_plot(now: Mapping[str, float], then: Mapping[str, float] | None) -> Plot:
    """Shares of the ratings, tonight and at the last accepted night.

    Args:
        now: Shares by label, a number.
        then: Likewise; a label that only one of the two has counts as 0 in the other. None: not known.
    """
    labels = sorted({*now, *(then or ())}, key=float)

    def draw(axes: Axes) -> None:
        places = np.arange(len(labels))
        axes.bar(places, [100 * now.get(label, 0.0) for label in labels], color=BLUE, width=0.62, label="tonight")
        if then:
            held = [100 * then.get(label, 0.0) for label in labels]
            axes.plot(places, held, "D", color=ORANGE, markeredgecolor=INK, label="last accepted night")
            axes.legend(loc="upper left")
        axes.set_xticks(places, labels)
        axes.set_xlabel("rating")
        axes.set_ylabel("share of ratings (%)")
        axes.grid(axis="x", visible=False)

    commonest = max(now, key=lambda label: now[label])
    return drawn("ratings", f"The commonest rating is {commonest}, given in {now[commonest]:.0%} of pairs.", 2.7, draw)


def scores_plot(held_out: NDArray[np.int64], listed: NDArray[np.int64] | None, scale: tuple[float, float]) -> Plot:
    """How predicted ratings are spread: of held-out pairs, and in the lists.

    Args:
        held_out: Counts by bin of the scale.
        listed: Likewise; None: no lists were made.
        scale: Lowest and highest rating.
    """
    edges = np.linspace(*scale, len(held_out) + 1)

    def draw(axes: Axes) -> None:
        axes.stairs(100 * held_out / held_out.sum(), edges, color=BLUE, linewidth=2, label="held-out pairs")
        if listed is not None and listed.sum():
            axes.stairs(
                100 * listed / listed.sum(), edges, color=VERMILION, linewidth=2, linestyle="--", label="in the lists"
            )
        axes.set_xlabel("predicted rating")
        axes.set_ylabel("share (%)")
        axes.legend(loc="upper left")

    return drawn("scores", "Predicted ratings of held-out pairs and of what stands in the lists.", 2.7, draw)
