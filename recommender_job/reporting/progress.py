"""How far a run has come, from its folder alone: whatever was finished, what stopped it, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recommender_job.errors import ArtifactBroken
from recommender_job.evaluating import approval
from recommender_job.reporting.failed_stages import failure_of
from recommender_job.reporting.nights import Outcome
from recommender_job.reporting.walk import walk
from recommender_job.storage.artifacts import RunFolder


@dataclass(frozen=True)
class Progress:
    """What a run has come to.

    Args:
        stages: Summaries of what is finished, in order, as `walk` finds them.
        stopped_at: The first stage that has not finished; None: the run went through to the end.
        failures: Why stages failed, as `failure_of` tells it, by stage; empty where none left an error: then the run
            was killed, or is still at work.
        verdict: The gate's; None where the run did not get there.
        override: Who let a blocked model through: `by`, `at`, `reason`; None: nobody had to.
    """

    stages: dict[str, dict[str, Any]]
    stopped_at: str | None
    failures: dict[str, dict[str, Any]]
    verdict: dict[str, Any] | None
    override: Mapping[str, Any] | None = None

    @property
    def outcome(self) -> Outcome:
        """As the table of nights has it; a run that has not ended counts as failed until it has."""
        if self.stopped_at is None:
            return "published" if self.stages["publish"]["published"] else "dry run"
        return "blocked" if self._is_blocked else "failed"

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it was blocked or failed, a line each; empty otherwise."""
        if self.stopped_at is None:
            return ()
        if self._is_blocked and self.verdict:
            return tuple(self.verdict["reasons"])
        told = [f"{name}: {found['class']}: {in_a_line(found['cause'])}" for name, found in self.failures.items()]
        return tuple(told) or (f"{self.stopped_at} has not finished and left no error.",)

    @property
    def _is_blocked(self) -> bool:
        if self.verdict is None or self.verdict["passed"] or self.override or self.stopped_at is None:
            return False
        # The gate may have failed for another reason while its verdict is of an earlier attempt.
        told = [self.failures[stage] for stage in ("gate", approval.STAGE) if stage in self.failures]
        return self.stopped_at in ("gate", approval.STAGE, "refit") and all(
            found["class"] == "GateBlocked" for found in told
        )


def progress_of(folder: RunFolder) -> Progress:
    """Reads how far a run has come. A summary that is damaged counts as missing: its stage must run again.

    Args:
        folder: The run folder; it need not exist.
    """
    walked = walk(folder, over_damage=True)
    asked = list(walked.unfinished)
    if asked == ["refit"] and not walked.stages["gate"]["passed"] and walked.override is None:
        asked.insert(0, approval.STAGE)  # an approval was given, but could not be kept
    failures = {name: found for name in asked if (found := failure_of(folder, name)) is not None}
    verdict = _json(folder, approval.VERDICT) if "evaluate" in walked.stages else None
    stopped_at = next(iter([*failures, *walked.unfinished]), None)
    return Progress(walked.stages, stopped_at, failures, verdict, walked.override)


def _json(folder: RunFolder, name: str) -> dict[str, Any] | None:
    try:
        return folder.read_json(name)
    except ArtifactBroken:
        return None


def in_a_line(text: str) -> str:
    """A text without its line breaks."""
    return " ".join(text.split())
