"""A night and a backtest as lines of text."""

from __future__ import annotations

from typing import Any

_COUNTS = ("extracted", "snapshot", "pairs", "rejected", "holdout", "epochs", "users", "rows", "pruned")


def night_lines(result: dict[str, Any]) -> list[str]:
    """The result of a night for people: verdict, figures, stages.

    Args:
        result: What `nightly.run_night` returns.
    """
    verdict = "passed" if result["gate"]["passed"] else "BLOCKED: " + " ".join(result["gate"]["reasons"])
    if result["published"]:
        live = f"publication {result['publication_id']} is live"
    elif result["publication_id"]:
        live = f"dry run: publication {result['publication_id']} was built and checked, not switched to"
    else:
        live = "nothing was published"
    return [
        f"Run {result['run_id']}, ratings before {result['cutoff']}: {live}",
        f"Gate {verdict}",
        *figure_lines(result["metrics"]),
        *stage_lines(result["stages"]),
    ]


def figure_lines(metrics: dict[str, Any]) -> list[str]:
    """RMSE and MAE of the model and of each baseline on the same pairs."""
    rows = [("model", metrics["rmse"], metrics["mae"])]
    rows += [(name, rmse, metrics["baselines_mae"][name]) for name, rmse in metrics["baselines"].items()]
    holdout = f", holdout {metrics['holdout']}" if "holdout" in metrics else ""
    lines = [f"{'on ' + format(metrics['n'], ',') + ' unseen pairs' + holdout:<38}{'RMSE':>8}{'MAE':>8}"]
    return lines + [f"  {name:<36}{rmse:>8.4f}{mae:>8.4f}" for name, rmse, mae in rows]


def stage_lines(stages: dict[str, dict[str, Any]]) -> list[str]:
    """Seconds and counts of each stage, and the seconds of all."""
    lines = [f"{'stage':<14}{'seconds':>8}"]
    for name, summary in stages.items():
        counts = ", ".join(f"{key} {summary[key]:,}" for key in _COUNTS if isinstance(summary.get(key), int))
        lines.append(f"  {name:<12}{summary['seconds']:>8.2f}  {counts}".rstrip())
    total = sum(summary["seconds"] for summary in stages.values())
    return [*lines, f"  {'all':<12}{total:>8.2f}"]


def backtest_lines(figures: dict[str, Any]) -> list[str]:
    """The figures of a backtest for people."""
    names = [name for name in figures if "@" in name] + ["coverage"]
    return [
        *figure_lines(figures),
        *(f"  {name:<36}{figures[name]:>8.4f}" for name in names),
        f"trained on {figures['train_pairs']:,} pairs, {figures['epochs']} epochs; {figures['rejected']} lines refused",
    ]
