"""What the tasks of the recommender's DAGs do when they fail; their files import it from the DAG folder."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule
from recommender_metrics import send_failure, send_summary
from recommender_notices import Notice

#: A retry is for what may pass: the database is away, the disk is full, the process was killed. Bad data and a blocked
#: gate fail at once; and so does what nobody expected: a defect of the job does the same again, hours later. What takes
#: the worker itself away, or Airflow's own services, is retried by Airflow: no error is left then to judge.
RETRIES = {
    "retries": 3,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
    "retry_policy": ExceptionRetryPolicy(
        rules=[
            RetryRule(
                exception="recommender_job.errors.TransientError",
                action=RetryAction.DEFAULT,
                reason="It may pass: see the error's next step if it does not.",
            )
        ],
        default=RetryAction.FAIL,
    ),
    "execution_timeout": timedelta(hours=4),
}
#: What is told of a task's end. The notice comes last: its lines are those that end the log.
CALLBACKS = {
    "on_success_callback": [send_summary],
    "on_failure_callback": [send_failure, Notice("failure")],
    "on_retry_callback": [Notice("retry")],
}
