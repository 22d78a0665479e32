"""What the report shows of the last nights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recommender_job.reporting.model_plots import history_plot

#: Nights that the table lists; the plot shows all.
LISTED = 7


def history_section(tonight: dict[str, Any], earlier: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The plot and the latest rows.

    Args:
        tonight: Row of the table of nights.
        earlier: Others, the latest first.

    Returns:
        `plot` (None where no night has an RMSE), `rows` with `is_tonight`, the latest first, and `nights`.
    """
    every = [{**tonight, "is_tonight": True}, *({**night, "is_tonight": False} for night in earlier)]
    measured = any(night["rmse"] is not None for night in every)
    return {
        "plot": history_plot(every[::-1]) if measured and len(every) > 1 else None,
        "rows": every[:LISTED],
        "nights": len(every),
    }
