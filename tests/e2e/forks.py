"""A process that has everything imported and forks a child for each night, so that a night takes some two seconds.

`python -m tests.e2e.forks` reads nights as JSON lines from stdin, runs one after the other, and tells on stdout what
becomes of them. TensorFlow is loaded before the fork but starts its threads in the child only, where they are needed.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recommender_job.config import Config
    from recommender_job.runs import Run

#: What the stages load when they first need it; a child that had to load it would take as long as for a stage.
LATE = (
    "jinja2",
    "matplotlib.backends.backend_svg",
    "matplotlib.figure",
    "pandera.backends.pandas.register",
    "pandera.strategies.pandas_strategies",
    "pyarrow.dataset",
)
#: Importing these starts TensorFlow's threads, which do not survive a fork.
DOORS = (
    "ranking.tensorflow",
    "ranking.adam",
    "ranking.graph",
    "ranking.model",
    "ranking.serving",
)


def main() -> None:
    """Serves until stdin ends; a child returns from here, too, so that it ends as a process of the job does."""
    events = os.dup(1)
    os.dup2(2, 1)  # what a night prints is no event
    _import_everything()
    gc.freeze()  # or else every child's garbage collection goes through all of that
    _tell(events, ready=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _night(events, **json.loads(line))
            return
        _, status = os.waitpid(child, 0)
        _tell(events, exit=os.waitstatus_to_exitcode(status))


def _import_everything() -> None:
    import recommender_job

    for module in pkgutil.walk_packages(recommender_job.__path__, "recommender_job."):
        if not module.name.endswith(DOORS):
            importlib.import_module(module.name)
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    for name in ("tensorflow", "tensorflow_recommenders", "tf_keras", *LATE):
        importlib.import_module(name)
    recommender_job.reporting.drawing.drawn("first", "", 1, lambda axes: None)  # finds the fonts


def _night(events: int, settings: dict[str, Any], run_id: str, cutoff: str, scratch: str, begin: str) -> None:
    """Runs a night in this process, or what is left of it, and tells the begin and the end of its stages."""
    from recommender_job import nightly
    from recommender_job.config import load_config
    from recommender_job.publishing import publish
    from recommender_job.runs import Run

    sys.stdin = open(os.devnull)  # noqa: SIM115 - the parent's; what is buffered of it is not this child's to read
    os.environ["TMPDIR"] = tempfile.tempdir = scratch
    _tell(events, pid=os.getpid())
    prune = publish.prune

    def told_prune(*arguments: Any) -> list[int]:
        _tell(events, stage="prune", begins=True)
        dropped = prune(*arguments)
        _tell(events, stage="prune", begins=False)
        return dropped

    publish.prune = told_prune
    config, run = load_config(settings), Run(run_id, datetime.fromisoformat(cutoff))

    def report(stage: str, summary: dict[str, Any] | None) -> None:
        _tell(events, stage=stage, begins=summary is None)

    try:
        if begin:
            _go_on(begin, config, run, report)
        else:
            nightly.run_night(config, run, report=report)
    except Exception as error:
        _tell(events, error=str(error), kinds=[kind.__name__ for kind in type(error).__mro__])


def _go_on(begin: str, config: Config, run: Run, report: Callable[[str, dict[str, Any] | None], None]) -> None:
    """Runs a stage and what follows it on the files of what is before it, as Airflow does when a task is cleared.

    But for the report, which nothing reads and which would take a third of the time.
    """
    from recommender_job import nightly
    from recommender_job.runs import stage_of
    from recommender_job.storage.artifacts import RunFolder

    begun = False

    def do(name: str, stage: Callable[..., dict[str, Any]], *shard: int) -> None:
        nonlocal begun
        begun = begun or name == begin
        if begun:
            report(name, None)
            report(name, stage(config, run, *shard))

    for name in ("extract", "clean", "train", "evaluate", "gate", "refit", "plan_shards"):
        do(name, getattr(nightly, name))
    for shard in RunFolder(config.runs, run.folder).summary("plan_shards")["shards"]:
        do(stage_of(shard), nightly.score, shard)
    do("publish", nightly.publish)


def _tell(events: int, **what: Any) -> None:
    os.write(events, json.dumps({**what, "at": time.monotonic()}).encode() + b"\n")


if __name__ == "__main__":
    main()
