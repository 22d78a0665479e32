"""How far a run has come: its stages, up to the first that is not done; later marks are of earlier attempts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from recommender_job.errors import ArtifactBroken
from recommender_job.evaluating import approval
from recommender_job.runs import stage_of
from recommender_job.storage.artifacts import RunFolder

_BEFORE_SCORING = ("extract", "clean", "train", "evaluate", "gate", "refit", "plan_shards")

T = TypeVar("T")


@dataclass(frozen=True)
class Walk:
    """How far a run has come.

    Args:
        stages: Summaries of what is finished, in order.
        unfinished: The first stage that has not finished, or all such shards; empty: the run went through to the end.
            `refit`, whatever its mark says, where the gate has blocked and nobody has let the model through.
        override: Who let a blocked model through: `by`, `at`, `reason`; None: nobody had to, or nobody has.
    """

    stages: dict[str, dict[str, Any]]
    unfinished: tuple[str, ...]
    override: dict[str, Any] | None


def walk(folder: RunFolder, *, over_damage: bool = False) -> Walk:
    """Goes through the stages of a run, in order, up to the first one that has not finished.

    Args:
        folder: The run folder; it need not exist.
        over_damage: A summary that is damaged counts as missing: its stage must run again.

    Raises:
        ArtifactBroken: A summary is damaged, unless `over_damage`.
    """

    def read(what: Callable[[], T | None]) -> T | None:
        try:
            return what()
        except ArtifactBroken:
            if not over_damage:
                raise
            return None

    stages: dict[str, dict[str, Any]] = {}

    def take(name: str) -> bool:
        found = read(lambda: folder.summary_if_finished(name))
        if found is not None:
            stages[name] = found
        return found is not None

    override = None
    for name in _BEFORE_SCORING:
        if name == "refit" and not stages["gate"]["passed"]:
            override = read(lambda: approval.read(folder))
            if override is None:
                return Walk(stages, (name,), None)
        if not take(name):
            return Walk(stages, (name,), override)
    unfinished = tuple(name for name in map(stage_of, stages["plan_shards"]["shards"]) if not take(name))
    if not unfinished and not take("publish"):
        unfinished = ("publish",)
    return Walk(stages, unfinished, override)
