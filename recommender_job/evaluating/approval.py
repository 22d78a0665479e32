"""A person's word on a blocked model: what they are asked, what is kept of the answer, and what follows from it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from recommender_job.config import Config
from recommender_job.errors import GateBlocked, StageMissing
from recommender_job.evaluating.gate import table, tables
from recommender_job.runs import Run
from recommender_job.storage.artifacts import RunFolder

#: The gate's word on the run.
VERDICT = "gate/verdict.json"
#: Who let a blocked model through: `by`, `at` (ISO 8601), `reason`. It counts only once the stage has finished.
OVERRIDE = "gate/override.json"
STAGE = "override"


def deciding(config: Config, when_blocked: Literal["ask", "stop"]) -> Config:
    """The same settings, but with what happens when the gate blocks decided."""
    return config.model_copy(update={"gate": config.gate.model_copy(update={"when_blocked": when_blocked})})


def question(folder: RunFolder, run: Run) -> dict[str, Any] | None:
    """What to ask about a model that the gate has blocked.

    Returns:
        `subject`, one line; `body`, Markdown; `reasons`, a sentence each; None where the model passed and nothing need
        be asked.

    Raises:
        StageMissing: The gate has not finished in this run.
    """
    figures = folder.summary("gate")
    if figures["passed"]:
        return None
    reasons = "\n".join(f"- {reason}" for reason in figures["reasons"])
    return {
        "subject": f"The gate has blocked the model of run {run.run_id}. Publish it all the same?",
        "body": (
            f"**Why it was blocked**\n\n{reasons}\n\n**The figures**\n\n{_markdown(figures)}\n\n"
            "*Approve* publishes tonight's lists; your name, the time and your reason are kept with the publication."
            " *Reject*, or no answer in time, fails the run, and the website keeps the lists it shows now."
        ),
        "reasons": figures["reasons"],
    }


def _markdown(figures: dict[str, Any]) -> str:
    """The figures as tables of Markdown: Airflow's pages run the lines of a block of text together."""
    blocks = []
    for title, columns, rows in tables(figures):
        lines = [f"| {title} | {' | '.join(columns)} |", "| --- |" + " ---: |" * len(columns)]
        lines += [f"| {name} | {' | '.join(f'{value:.4f}' for value in values)} |" for name, values in rows]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def record(folder: RunFolder, *, by: str, at: datetime, reason: str) -> dict[str, Any]:
    """Keeps who let the blocked model of a run through.

    Args:
        folder: The run folder.
        by: Name of the person.
        at: When they decided, with a time zone.
        reason: Why, in their words.

    Returns:
        `by`, `at` as ISO 8601 in UTC, and `reason`, as they are written.

    Raises:
        GateBlocked: No name or no reason was given.
        StageMissing: The gate has not finished in this run.
    """
    figures = folder.summary("gate")
    if not by.strip() or not reason.strip():
        raise GateBlocked(
            f"{by.strip() or 'Somebody'} approved the blocked model without saying {'why' if by.strip() else 'who'}.",
            action="Nothing was published. Clear `approve` with its downstream tasks, and answer again with a reason.",
            figures=figures,
        )
    kept = {"by": by.strip(), "at": at.astimezone(UTC).isoformat(), "reason": reason.strip()}
    folder.write_json(OVERRIDE, kept)
    return kept


def take_back(folder: RunFolder) -> None:
    """Forgets an approval: it was given to the figures of an earlier attempt, or the question is asked once more."""
    folder.begin(STAGE)
    folder.remove(OVERRIDE)


def read(folder: RunFolder) -> dict[str, Any] | None:
    """Who let the run's blocked model through: `by`, `at`, `reason`; None where nobody had to, or nobody has."""
    gate = folder.summary_if_finished("gate")
    if gate is None or gate["passed"] or folder.summary_if_finished(STAGE) is None:
        return None
    return folder.read_json(OVERRIDE)


def require_passed(folder: RunFolder) -> None:
    """Keeps a blocked model from going further without somebody's approval, and one that the gate has not judged.

    Raises:
        StageMissing: The gate has not finished in this run, or has judged another challenger than there is.
        GateBlocked: It blocked, and nobody has approved.
    """
    figures = folder.summary("gate")
    judged, trained = figures.get("model_version"), (folder.summary_if_finished("train") or {}).get("model_version")
    if judged is not None and judged != trained:
        raise StageMissing(
            f"The gate has judged model {judged}; since then `train` has begun again, and made {trained or 'none'}.",
            action="Run `evaluate` first (in Airflow: clear that task with its downstream tasks).",
        )
    if not figures["passed"] and read(folder) is None:
        raise GateBlocked(
            f"{' '.join(figures['reasons'])} Nobody has approved it.",
            action="Clear `approve` with its downstream tasks in Airflow and answer, or run the night again.",
            figures=figures,
        )


def refusal(folder: RunFolder, run: Run, *, by: str | None, reason: str, hours: float) -> GateBlocked:
    """The error that ends a run whose blocked model was not let through.

    Args:
        folder: The run folder.
        run: The run.
        by: Who rejected it; None: nobody answered.
        reason: Why, in their words; may be empty.
        hours: How long there was time to answer.
    """
    figures = folder.summary("gate")
    why = f": {reason.strip()}" if reason.strip() else ""
    said = f"{by} rejected it{why}." if by else f"Nobody answered within {hours:g} hours, which counts as a rejection."
    return GateBlocked(
        f"{' '.join(figures['reasons'])} {said}\n{table(figures)}\n",
        action="The website keeps the active publication. Look at the ratings and the settings before you rerun; to ask"
        " once more, clear `approve` with its downstream tasks.",
        figures=figures,
        run_id=run.run_id,
        stage="approve",
    )
