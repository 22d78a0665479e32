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

_log = structlog.get_logger(__name__)


class Stage:
    """A stage: called with the configuration, the run and, if it has shards, the number of one.

    Args:
        name: Its name, or what makes it from the number of the shard.
        work: What it does; also takes the run folder, after the run.
    """

    __name__: str

    def __init__(self, name: str | Callable[[int], str], work: Callable[..., Summary]) -> None:
        functools.update_wrapper(self, work)
        self._name, self._work = name, work

    def __call__(self, config: Config, run: Run, *shard: int, **hooks: Any) -> Summary:
        """Does it; `hooks` are handed on."""
        name = self._named(shard)
        folder = RunFolder(config.runs, run.folder)
        started = time.perf_counter()
        try:
            folder.begin(name)
            failed_stages.forget(folder, name)
            summary = self._work(config, run, folder, *shard, **hooks)
            seconds = round(time.perf_counter() - started, 3)
            summary = {**summary, "seconds": seconds, "peak_mb": _peak_mb()}
            folder.finish(name, summary)
        except Exception as error:
            self.note(error, config, run, *shard)
            raise
        _log.info("stage finished", stage=name, run_id=run.run_id, **summary)
        return summary

    def note(self, error: Exception, config: Config, run: Run, *shard: int) -> None:
        """Keeps in the run folder why it failed; also called for the process that did it, when that has died."""
        name = self._named(shard)
        if isinstance(error, RecommenderError):
            error.run_id, error.stage = run.run_id, name
        failed_stages.note(config, RunFolder(config.runs, run.folder), name, error)

    def _named(self, shard: tuple[int, ...]) -> str:
        return self._name if isinstance(self._name, str) else self._name(*shard)


def stage_named(name: str | Callable[[int], str]) -> Callable[[Callable[..., Summary]], Stage]:
    """Marks begin and end of a stage in the run folder, measures it, and tells its errors where they happened.

    To the summary it adds `seconds`, and `peak_mb`: the most memory, in MiB, that the process has held so far. Why a
    stage failed is kept in the run folder for the report.
    """
    return functools.partial(Stage, name)


def _peak_mb() -> int:
    """The most memory that this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # Linux gives KiB
