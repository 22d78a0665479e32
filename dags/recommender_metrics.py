"""Sends what a task has found out through Airflow's own metrics: StatsD or OpenTelemetry, as `[metrics]` is configured.

Callbacks run in the task's own process, after it. Where no metrics are configured, nothing is sent and nothing fails.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk.observability import stats

#: Figures of a stage's summary, each sent as a gauge under its own name.
FIGURES = (
    "source_rows", "extracted", "deleted", "snapshot", "pairs", "rejected", "holdout", "users", "rows",
    "distinct_lists", "rmse", "passed", "data_age_seconds", "expires_in_seconds", "is_stale",
)  # fmt: skip


def send_summary(context: Any) -> None:
    """For `on_success_callback`: the task's summary, which is what it returned."""
    instance = context["ti"]
    summary = instance.xcom_pull(task_ids=instance.task_id, map_indexes=instance.map_index)
    if isinstance(summary, dict):
        is_shard = instance.map_index is not None and instance.map_index >= 0
        # Under its stage's name, what a shard has counted would be taken for the whole; durations are told one by one.
        send(instance.task_id, {"seconds": summary["seconds"]} if is_shard else summary)


def send_failure(context: Any) -> None:
    """For `on_failure_callback`: that it failed, and the figures of a gate that blocked."""
    stage, error = context["ti"].task_id, context.get("exception")
    stats.incr(f"recommender.{stage}.failed")
    figures = getattr(error, "figures", None)
    if figures:
        send(stage, figures)


def send(stage: str, summary: dict[str, Any]) -> None:
    """Sends a summary: `recommender.<stage>.duration` in milliseconds, and `recommender.<stage>.<figure>`."""
    if "seconds" in summary:
        stats.timing(f"recommender.{stage}.duration", summary["seconds"] * 1000)
    for name in FIGURES:
        if isinstance(summary.get(name), int | float):
            stats.gauge(f"recommender.{stage}.{name}", float(summary[name]))
