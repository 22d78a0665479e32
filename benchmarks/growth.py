"""How the cost of a night grows: users, experiences and ratings times 3 and 10, each alone, stage by stage.

    python -m benchmarks.growth [--users 20000] [--experiences 1000] [--ratings 200000] [--plots folder]

A line is fitted to each stage's seconds and memory, with nothing in it but what the stage is meant to depend on
(docs/scaling.md has the same formula), and its largest error on any of these nights is printed beside it. Before that
comes how many times the first night's a stage takes where users, experiences or ratings are at their most. `--check`
then holds the formula to one more night, larger in everything, that it was not fitted to. The model is fixed, as
choosing one costs what `selection` allows it to.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import nnls

from benchmarks.night import Cost, World, night

SIDES = ("users", "experiences", "ratings")
TIMES = (1, 3, 10)
EPOCHS = 3
SETTINGS = {
    "selection.mode": "never",
    "model.embedding_dimension": 32,
    "model.hidden_layers": "64",
    "model.batch_size": 4096,
    "model.epochs": EPOCHS,
    "relevance.ease_l2": "100",
    "relevance.activity_power": "0",
    "relevance.popularity": "0.1",
    "train_memory_mb": 64,
}

#: What a cost may depend on, in the unit that its factor is given for.
Term = tuple[str, Callable[[World], float]]
ONE: Term = ("", lambda world: 1.0)
RATINGS: Term = ("million ratings", lambda world: world.ratings / 1e6)
USERS: Term = ("million users", lambda world: world.users / 1e6)
EXPERIENCES: Term = ("thousand experiences", lambda world: world.experiences / 1e3)
PAIRS: Term = ("thousand million pairs", lambda world: world.users * world.experiences / 1e9)
SQUARE: Term = ("(thousand experiences)²", lambda world: (world.experiences / 1e3) ** 2)
CUBE: Term = ("(thousand experiences)³", lambda world: (world.experiences / 1e3) ** 3)

SECONDS: dict[str, list[Term]] = {
    "extract": [ONE, RATINGS, USERS],
    "clean": [ONE, RATINGS, USERS],
    "train": [ONE, RATINGS, USERS, CUBE],
    "evaluate": [ONE, RATINGS, EXPERIENCES],  # lists are made for no more than `evaluation.list_users`
    "refit": [ONE, RATINGS, USERS, CUBE],
    "plan_shards": [ONE, RATINGS, USERS],
    "score": [ONE, RATINGS, SQUARE, PAIRS],
    "publish": [ONE, RATINGS, USERS],
}
MEBIBYTES: dict[str, list[Term]] = {
    "extract": [ONE, USERS],
    "clean": [ONE, USERS],
    "train": [ONE, USERS, SQUARE],
    "evaluate": [ONE, USERS, SQUARE],
    "refit": [ONE, USERS, SQUARE],
    "plan_shards": [ONE],
    "score": [ONE, SQUARE],
    "publish": [ONE, USERS],
}


@dataclass(frozen=True)
class Line:
    """A cost as a sum of factors times terms, none below zero, fitted to relative errors."""

    terms: list[Term]
    factors: list[float]

    @classmethod
    def of(cls, terms: list[Term], worlds: list[World], costs: list[float]) -> Line:
        """Fits it to what nights cost."""
        values = np.array([[term(world) for _, term in terms] for world in worlds])
        factors, _ = nnls(values / np.array(costs)[:, None], np.ones(len(costs)))
        return cls(terms, factors.tolist())

    def at(self, world: World) -> float:
        """What it says that a night costs."""
        return sum(factor * term(world) for factor, (_, term) in zip(self.factors, self.terms, strict=True))

    def __str__(self) -> str:
        parts = zip(self.factors, self.terms, strict=True)
        return " + ".join(f"{factor:.3g}{' per ' + unit if unit else ''}" for factor, (unit, _) in parts if factor)


def main() -> None:
    """Prints each night as it is measured, then the lines, and draws them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--experiences", type=int, default=1_000)
    parser.add_argument("--ratings", type=int, default=200_000)
    parser.add_argument("--plots", type=Path, help="folder for growth.png")
    parser.add_argument("--check", action="store_true", help="one more night, of all three at their largest")
    options = parser.parse_args()
    base = World(options.users, options.experiences, options.ratings)
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; seconds (MiB) of each stage")
    measured = {world: _measured(world) for world in _worlds(base)}
    for side in SIDES:
        _compare(f"{max(TIMES)} times the {side}", measured[base], measured[_grown(base, side, max(TIMES))])
    found: dict[str, dict[str, Line]] = {}
    for what, formula in (("seconds", SECONDS), ("own", MEBIBYTES)):
        print("seconds" if what == "seconds" else "MiB that a stage cannot give back")
        found[what] = {}
        for stage, terms in formula.items():
            worlds = list(measured)
            costs = [float(getattr(measured[world][stage], what)) for world in worlds]
            line = found[what][stage] = Line.of(terms, worlds, costs)
            worst = max(abs(line.at(world) / cost - 1) for world, cost in zip(worlds, costs, strict=True))
            print(f"  {stage:<12} = {line}   (off by {worst:.0%} at most)")
    if options.plots:
        _draw(base, measured, found, options.plots / "growth.png")
    if options.check:
        largest = World(*(max(TIMES) * size for size in (base.users, base.experiences, base.ratings)))
        _hold(largest, _measured(largest), found)


def _worlds(base: World) -> list[World]:
    return [base, *(_grown(base, side, times) for side in SIDES for times in TIMES[1:])]


def _grown(base: World, side: str, times: int) -> World:
    return replace(base, **{side: times * getattr(base, side)})


def _measured(world: World) -> dict[str, Cost]:
    costs = dict(night(world, SETTINGS))
    told = ", ".join(f"{stage} {cost.seconds:.1f} ({cost.own:,})" for stage, cost in costs.items() if stage in SECONDS)
    print(f"{world}: {told}", flush=True)
    return costs


def _compare(label: str, first: dict[str, Cost], costs: dict[str, Cost]) -> None:
    told = ", ".join(
        f"{stage} {costs[stage].seconds / first[stage].seconds:.1f} x ({costs[stage].own / first[stage].own:.1f} x)"
        for stage in SECONDS
    )
    print(f"{label}: {told}")


def _hold(world: World, costs: dict[str, Cost], found: dict[str, dict[str, Line]]) -> None:
    print(f"{world}, by the formula / measured")
    for stage in SECONDS:
        told = [
            f"{formula:>9,.1f} /{cost:>9,.1f} {unit} = {formula / cost:.2f}"
            for what, unit in (("seconds", "s"), ("own", "MiB"))
            for formula, cost in [(found[what][stage].at(world), float(getattr(costs[stage], what)))]
        ]
        print(f"  {stage:<12}{''.join(told)}")


def _draw(base: World, measured: dict[World, dict[str, Cost]], found: dict[str, dict[str, Line]], file: Path) -> None:
    figure = Figure(figsize=(12, 7), layout="constrained")
    panels = figure.subplots(2, 3, sharey="row")
    for column, side in enumerate(SIDES):
        worlds = [_grown(base, side, times) for times in TIMES]
        sizes = [getattr(world, side) for world in worlds]
        for row, what in enumerate(("seconds", "own")):
            panel = panels[row][column]
            for number, stage in enumerate(SECONDS):
                costs = [getattr(measured[world][stage], what) for world in worlds]
                panel.plot(sizes, costs, "o", color=f"C{number}", label=stage)
                panel.plot(sizes, [found[what][stage].at(world) for world in worlds], "-", color=f"C{number}")
            panel.set(xscale="log", xlabel=side, xticks=sizes, xticklabels=[f"{size:,}" for size in sizes])
            panel.minorticks_off()
            panel.set_yscale("log" if what == "seconds" else "linear")
    panels[0][0].set_ylabel("seconds")
    panels[1][0].set_ylabel("MiB")
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside right upper")
    figure.suptitle("Measured (points) and by the formula (lines)")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=80)


if __name__ == "__main__":
    main()
