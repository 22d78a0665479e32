"""What all stages have in common: their mark in the run folder, what they cost, and how their errors are told."""

from __future__ import annotations

import functools
import resource
import time
from collections.abc import Callable
from typing import Any

import structlog

from recommender_job.config import Config
from recommender_job.errors import RecommenderError
from recommender_job.reporting import failed_stages
from recommender_job.runs import Run
from recommender_job.storage.artifacts import RunFolder

Summary = dict[str, Any]
Stage = Callable[..., Summary]

_log = structlog.get_logger(__name__)


def stage_named(name: str | Callable[[int], str]) -> Callable[[Stage], Stage]:
    """Marks begin and end of a stage in the run folder, measures it, and tells its errors where they happened.

    To the summary it adds `seconds`, and `peak_mb`: the most memory, in MiB, that the process has held so far. Why a
    stage failed is kept in the run folder for the report.
    """

    def decorate(work: Stage) -> Stage:
        @functools.wraps(work)
        def stage(config: Config, run: Run, *shard: int, **hooks: Any) -> Summary:
            stage_name = name if isinstance(name, str) else name(*shard)
            folder = RunFolder(config.runs, run.folder)
            started = time.perf_counter()
            try:
                folder.begin(stage_name)
                failed_stages.forget(folder, stage_name)
                summary = work(config, run, folder, *shard, **hooks)
                seconds = round(time.perf_counter() - started, 3)
                summary = {**summary, "seconds": seconds, "peak_mb": _peak_mb()}
                folder.finish(stage_name, summary)
            except Exception as error:
                if isinstance(error, RecommenderError):
                    error.run_id, error.stage = run.run_id, stage_name
                failed_stages.note(config, folder, stage_name, error)
                raise
            _log.info("stage finished", stage=stage_name, run_id=run.run_id, **summary)
            return summary

        return stage

    return decorate


def _peak_mb() -> int:
    """The most memory that this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # Linux gives KiB
