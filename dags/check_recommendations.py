"""### Hourly check of the recommendations

Reads what the website reads, as the website does, and fails when the lists are stale or not what the table contract
promises. The error says what is wrong, since when, and what to do next; `docs/runbook.md` explains it. Nothing is
changed. Whom the setting `notify` names is told.

The task `metrics` goes its own way: it sends how fresh the lists are, and writes the file for Prometheus if
`metrics.textfile` is set, also while they are stale.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, task
from recommender_retries import CALLBACKS, RETRIES


@dag(
    schedule=CronTriggerTimetable("0 * * * *", timezone="America/Bogota"),
    catchup=False,
    max_active_runs=1,
    # An hourly check that hangs tells nobody anything.
    default_args={**RETRIES, **CALLBACKS, "execution_timeout": timedelta(minutes=10)},
    doc_md=__doc__,
    tags=["recommendations"],
)
def check_recommendations() -> None:
    """Two tasks that do not wait for each other: the check, and the figures for monitoring."""

    @task
    def check() -> dict[str, Any]:
        """Reads the status, the default list and the lists of some users."""
        from recommender_job.config import load_config
        from recommender_job.isolation import in_child
        from recommender_job.publishing.freshness import check_now

        return in_child(check_now, load_config())

    @task
    def metrics() -> dict[str, Any]:
        """Sends how fresh the lists are, and writes the file for Prometheus."""
        from datetime import UTC, datetime

        from recommender_job.config import load_config
        from recommender_job.isolation import in_child
        from recommender_job.reporting.metrics import update

        return in_child(update, load_config(), datetime.now(UTC))

    check()
    metrics()


check_recommendations()
