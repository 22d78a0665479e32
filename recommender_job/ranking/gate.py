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


def verdict(metrics: dict[str, Any], gate: GateConfig) -> dict[str, Any]:
    """The gate's word on the metrics of the evaluate stage.

    Returns:
        `passed`, `reasons`, `rmse`, `n` and `baselines`.
    """
    reasons = judge(metrics["rmse"], metrics["baselines"], gate)
    return {"passed": not reasons, "reasons": reasons, **{key: metrics[key] for key in ("rmse", "n", "baselines")}}


def raise_if_blocked(figures: dict[str, Any]) -> None:
    """Stops the night when the verdict says so.

    Raises:
        GateBlocked: With the reasons and the table of figures.
    """
    if not figures["passed"]:
        raise GateBlocked(
            f"{' '.join(figures['reasons'])}\n{table(figures)}\n",
            action="The website keeps the active publication. Look at the ratings and the settings before you rerun.",
            figures=figures,
        )


def table(metrics: dict[str, Any]) -> str:
    """The figures as lines of text: the challenger and each baseline on the same pairs."""
    rows = [("challenger", metrics["rmse"]), *metrics["baselines"].items()]
    lines = [f"  {name:<22}{rmse:>8.4f}" for name, rmse in rows]
    return "\n".join([f"  {'RMSE on ' + str(metrics['n']) + ' pairs':<22}", *lines])
