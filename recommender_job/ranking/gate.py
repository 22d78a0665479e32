"""The gate: whether tonight's model may replace what the website shows."""

from __future__ import annotations

from typing import Any

from recommender_job.config import GateConfig
from recommender_job.errors import GateBlocked
from recommender_job.ranking.baselines import GLOBAL_MEAN


def judge(rmse: float, baselines: dict[str, float], gate: GateConfig) -> list[str]:
    """Why the challenger does not pass.

    Args:
        rmse: The challenger's, on the holdout.
        baselines: RMSE of each baseline on the same pairs.
        gate: The bounds.

    Returns:
        One sentence for each bound that is broken; empty: it passes.
    """
    reasons = []
    # Written so that a NaN blocks.
    if not rmse <= gate.max_rmse:
        reasons.append(f"RMSE {rmse:.4f} is above the bound gate.max_rmse {gate.max_rmse:g}.")
    if not rmse <= baselines[GLOBAL_MEAN]:
        reasons.append(f"RMSE {rmse:.4f} is worse than always guessing the mean, {baselines[GLOBAL_MEAN]:.4f}.")
    return reasons


def pass_or_raise(metrics: dict[str, Any], gate: GateConfig) -> dict[str, Any]:
    """Applies the gate to the metrics of the evaluate stage.

    Returns:
        `passed` (true), `reasons` (none), `rmse`, `n` and `baselines`.

    Raises:
        GateBlocked: With the same figures and the reasons.
    """
    reasons = judge(metrics["rmse"], metrics["baselines"], gate)
    figures = {
        "passed": not reasons,
        "reasons": reasons,
        "rmse": metrics["rmse"],
        "n": metrics["n"],
        "baselines": metrics["baselines"],
    }
    if reasons:
        raise GateBlocked(
            f"{' '.join(reasons)}\n{table(metrics)}\n",
            action="The website keeps the active publication. Look at the ratings and the settings before you rerun.",
            figures=figures,
        )
    return figures


def table(metrics: dict[str, Any]) -> str:
    """The figures as lines of text: the challenger and each baseline on the same pairs."""
    rows = [("challenger", metrics["rmse"]), *metrics["baselines"].items()]
    lines = [f"  {name:<22}{rmse:>8.4f}" for name, rmse in rows]
    return "\n".join([f"  {'RMSE on ' + str(metrics['n']) + ' pairs':<22}", *lines])
