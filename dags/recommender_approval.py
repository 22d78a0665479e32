"""The task that asks a person about a model that the gate has blocked; the DAG imports it from the DAG folder."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param
from airflow.sdk.definitions.param import ParamsDict
from recommender_notices import Notice

if TYPE_CHECKING:
    from airflow.sdk import Context


KEPT = "Why you approve or reject; kept with the publication."


class GateApproval(ApprovalOperator):
    """Ends at once when the gate has passed; else tells people and waits, without a worker, for one to answer.

    Approved, the night goes on and who, when and why is kept; rejected, or unanswered in time, the run ends as blocked.

    Args:
        night: Gives the configuration and the run of the task that asks.
    """

    def __init__(self, *, night: Callable[[], tuple[Any, Any]], **kwargs: Any) -> None:
        super().__init__(
            subject="The gate has blocked tonight's model. Publish it all the same?",
            defaults=self.REJECT,
            response_timeout=timedelta(hours=6),  # the setting takes its place when the task runs
            notifiers=Notice("question"),
            **kwargs,
        )
        self.night = night
        self.reasons: list[str] = []  # known when the task runs; the notice tells them

    def execute(self, context: Context) -> Any:
        """Asks, unless there is nothing to ask."""
        from recommender_job.evaluating.approval import question, take_back
        from recommender_job.storage.artifacts import RunFolder

        config, run = self.night()
        folder = RunFolder(config.runs, run.folder)
        asked = question(folder, run)
        if asked is None:
            self.log.info("The gate has passed: nothing to ask.")
            return None
        take_back(folder)  # an earlier answer, to the same figures, counts no more once the question is open again
        self.subject, self.body, self.reasons = asked["subject"], asked["body"], asked["reasons"]
        self.response_timeout = timedelta(hours=config.gate.answer_hours)
        # Only for the form: a task's own parameters must have a value before it starts.
        self.params = ParamsDict({"reason": Param(None, type="string", minLength=1, title="Reason", description=KEPT)})
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Acts on the answer, or on there being none."""
        from recommender_job import nightly
        from recommender_job.evaluating.approval import refusal
        from recommender_job.storage.artifacts import RunFolder

        config, run = self.night()
        user = event.get("responded_by_user")
        reason = str((event.get("params_input") or {}).get("reason") or "")
        if event.get("timedout") or event.get("chosen_options") != [self.APPROVE]:
            folder, by = RunFolder(config.runs, run.folder), user and (user["name"] or user["id"])
            raise refusal(folder, run, by=by, reason=reason, hours=config.gate.answer_hours)
        return nightly.override(config, run, by=user["name"] or user["id"], at=event["responded_at"], reason=reason)
