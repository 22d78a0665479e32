"""What is said when a task of the recommender fails or asks, and to whom; the DAGs import it from the DAG folder.

The lines that say what failed, why, what the website shows, and what to do are the last ones of a failed task's log.
The same text goes to the people whom the setting `notify` names, once the task has failed for good; they are also told
when the gate has blocked a night and its task waits for an answer.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from airflow.sdk import BaseNotifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from recommender_job.config import Config
    from recommender_job.reporting.failure import Links


class Notice(BaseNotifier):
    """Tells of a task's end, or that it waits; never raises.

    Args:
        of: `failure` for good, a `retry` (only in the log), the `success` of the whole night, or a `question` that
            waits for a person.
    """

    def __init__(self, of: Literal["failure", "retry", "success", "question"]) -> None:
        super().__init__()
        self.of = of

    def notify(self, context: Context) -> None:
        """Sends notices, then ends the log with what happened."""
        try:
            self._tell(context)
        except Exception as error:  # what tells of a failure must not replace it
            self.log.warning("No notice and no summary of the failure: %s.", type(error).__name__)

    def _tell(self, context: Context) -> None:
        from airflow.sdk.exceptions import AirflowFailException

        from recommender_job.config import load_config
        from recommender_job.errors import RecommenderError
        from recommender_job.reporting.failure import Where, failure_text, shown_now, subject, success_line

        if isinstance(context.get("exception"), AirflowFailException):
            return  # only the run report fails so, because another task has: that one has told
        shown: Any
        config: Config | None = None
        try:
            config = load_config()
            shown = shown_now(config)
        except RecommenderError as wrong:  # settings that cannot be read
            shown = wrong
        ti, now = context["ti"], datetime.now(UTC)
        if self.of == "success":
            if config is not None and config.notify.success:
                self._send(config, f"{ti.dag_id} ended well", success_line(ti.run_id, shown, now))
            return
        if self.of == "question":
            if config is not None:
                self._ask(config, ti, shown, now)
            return
        error = explained(context.get("exception"), ti.task)
        shard = f" (shard {ti.map_index})" if (ti.map_index or 0) >= 0 and ti.map_index is not None else ""
        where = Where(ti.dag_id, f"{ti.task_id}{shard}", ti.run_id, ti.try_number, self.of == "retry")
        text = failure_text(error, where, shown, links(config, ti), now, config)
        if self.of == "failure" and config is not None and not told_already(ti):
            self._send(config, subject(error, where), text)
        self.log.info("::endgroup::")  # Airflow runs callbacks inside a group, which its pages show folded
        for line in text.splitlines():
            self.log.error("%s", line)

    def _ask(self, config: Config, ti: Any, shown: Any, now: datetime) -> None:
        from recommender_job.reporting.question import Question, question_subject, question_text

        run = f"{airflow_url()}/dags/{quote(ti.dag_id, safe='')}/runs/{quote(ti.run_id, safe='')}"
        question = Question(
            ti.dag_id,
            ti.run_id,
            ti.task.reasons,
            ti.task.response_timeout,
            f"{run}/tasks/{quote(ti.task_id, safe='')}/required_actions",
            links(config, ti).runbook,
        )
        self._send(config, question_subject(question), question_text(question, shown, now))

    def _send(self, config: Config, subject: str, text: str) -> None:
        from recommender_job.reporting.notices import send

        def mail(to: Sequence[str], sender: str | None, subject: str, page: str) -> None:
            from airflow.providers.smtp.hooks.smtp import SmtpHook

            with SmtpHook(config.notify.smtp_connection) as hook:
                hook.send_email_smtp(to=list(to), from_email=sender, subject=subject, html_content=page)

        for trouble in send(config.notify, subject, text, mail):
            self.log.warning("%s", trouble)


def explained(error: BaseException | str | None, task: Any) -> BaseException | str | None:
    """The error, or what stands for one of Airflow's own."""
    from airflow.sdk.exceptions import AirflowTaskTimeout

    from recommender_job.errors import TookTooLong

    if not isinstance(error, AirflowTaskTimeout):
        return error
    return TookTooLong(
        f"It did not end within execution_timeout, {task.execution_timeout}.",
        action="Look at what it waited for or what has grown, then clear the task.",
    )


def links(config: Config | None, ti: Any) -> Links:
    """The runbook, as the settings say or as Airflow shows it, and the task's log."""
    from recommender_job.reporting.failure import Links

    page = config.notify.runbook_url if config is not None else None
    return Links(page or f"{airflow_url()}/recommendations/runbook", ti.log_url)


def airflow_url() -> str:
    """Where people reach Airflow's pages, without a slash at the end."""
    from airflow.sdk.configuration import conf

    return str(conf.get("api", "base_url", fallback=None) or "http://localhost:8080").rstrip("/")


def told_already(ti: Any) -> bool:
    """Whether another shard of the same task has failed before: one notice is enough for all.

    Where Airflow cannot say, as when its database is away, it is told once more rather than not at all.
    """
    if ti.map_index is None or ti.map_index < 0:
        return False
    try:
        found = ti.get_task_states(dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=[ti.run_id])
    except Exception:  # whatever Airflow's own client raises: what happened must be told
        return False
    # A shard whose worker was lost is marked as failed before this is asked.
    own = f"{ti.task_id}_{ti.map_index}"
    return "failed" in [str(state) for shards in found.values() for shard, state in shards.items() if shard != own]
