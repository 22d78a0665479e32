"""What the tasks of the recommender's DAGs do when they fail; their files import it from the DAG folder."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

#: A retry is for what may pass: the database is away, the disk is full. Bad data and a blocked gate fail at once.
RETRIES = {
    "retries": 3,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
    "retry_policy": ExceptionRetryPolicy(
        rules=[
            RetryRule(
                exception="recommender_job.errors.PermanentError",
                action=RetryAction.FAIL,
                reason="A retry cannot help; see the error's next step.",
            )
        ]
    ),
    "execution_timeout": timedelta(hours=4),
}
