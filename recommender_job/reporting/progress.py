"""How far a run has come, from its folder alone: whatever was finished, what stopped it, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recommender_job.errors import ArtifactBroken
from recommender_job.reporting.failed_stages import failure_of
from recommender_job.reporting.nights import Outcome
from recommender_job.runs import stage_of
from recommender_job.storage.artifacts import RunFolder

_BEFORE = ("extract", "clean", "train", "evaluate", "gate", "refit", "plan_shards")


@dataclass(frozen=True)
class Progress:
    """What a run has come to.

    Args:
        stages: Summaries of what is finished, in order; of later stages only what this attempt has done.
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
        told = [f"{name}: {found['class']}: {_line(found['cause'])}" for name, found in self.failures.items()]
        return tuple(told) or (f"{self.stopped_at} has not finished and left no error.",)

    @property
    def _is_blocked(self) -> bool:
        if self.verdict is None or self.verdict["passed"] or self.override or self.stopped_at is None:
            return False
        # The gate may have failed for another reason while its verdict is of an earlier attempt.
        at_gate = self.failures.get("gate")
        return self.stopped_at in ("gate", "refit") and (at_gate is None or at_gate["class"] == "GateBlocked")


def progress_of(folder: RunFolder, verdict: str, override: Mapping[str, Any] | None = None) -> Progress:
    """Reads how far a run has come. A summary that is damaged counts as missing: its stage must run again.

    Args:
        folder: The run folder; it need not exist.
        verdict: Name of the gate's verdict in it.
        override: As `Progress` takes it.
    """
    stages: dict[str, dict[str, Any]] = {}

    def take(name: str) -> bool:
        found = _summary(folder, name)
        if found is not None:
            stages[name] = found
        return found is not None

    stopped: list[str] = []
    for name in _BEFORE:
        if not take(name):
            stopped = [name]
            break
    else:
        stopped = [name for name in map(stage_of, stages["plan_shards"]["shards"]) if not take(name)]
        if not stopped and not take("publish"):
            stopped = ["publish"]
    failures = {name: found for name in stopped if (found := failure_of(folder, name)) is not None}
    judged = _json(folder, verdict) if "evaluate" in stages else None
    return Progress(stages, next(iter([*failures, *stopped]), None), failures, judged, override)


def _summary(folder: RunFolder, stage: str) -> dict[str, Any] | None:
    try:
        return folder.summary_if_finished(stage)
    except ArtifactBroken:
        return None


def _json(folder: RunFolder, name: str) -> dict[str, Any] | None:
    try:
        return folder.read_json(name)
    except ArtifactBroken:
        return None


def _line(text: str) -> str:
    return " ".join(text.split())
