"""### Hourly check of the recommendations

Reads what the website reads, as the website does, and fails when the lists are stale or not what the table contract
promises. The error says what is wrong, since when, and what to do next; `docs/runbook.md` explains it. Nothing is
changed. Whom the setting `notify` names is told.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, task
from recommender_notices import NOTICES
from recommender_retries import RETRIES


@dag(
    schedule=CronTriggerTimetable("0 * * * *", timezone="America/Bogota"),
    catchup=False,
    max_active_runs=1,
    # An hourly check that hangs tells nobody anything.
    default_args={**RETRIES, **NOTICES, "execution_timeout": timedelta(minutes=10)},
    doc_md=__doc__,
    tags=["recommendations"],
)
def check_recommendations() -> None:
    """One task: `recommender_job.publishing.freshness`."""

    @task
    def check() -> dict[str, Any]:
        """Reads the status, the default list and the lists of some users."""
        from recommender_job.config import load_config
        from recommender_job.publishing.freshness import check_now

        return check_now(load_config())

    check()


check_recommendations()
