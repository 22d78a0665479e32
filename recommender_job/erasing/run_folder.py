"""Takes a user out of one run folder, so that clearing any stage of that run still works afterwards."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from recommender_job.config import Config
from recommender_job.erasing.models import erase_from_models
from recommender_job.erasing.problems import Problems
from recommender_job.erasing.reports import erase_from_reports
from recommender_job.erasing.summaries import correct_summaries
from recommender_job.nightly import REPORT
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.run_files import (
    UserRows,
    files_of,
    is_leftover_of,
    leftover_of,
    remove_leftover,
    remove_user_rows,
    user_rows,
    written_at,
)

#: What a stage writes beside its files is of a killed attempt once nobody has written to it for so long.
ABANDONED = timedelta(hours=1)


@dataclass(frozen=True)
class Erased:
    """What was erased from a run folder.

    Args:
        files: Parquet files that were written again.
        rows: Rows that were taken out of them.
        models: Files of arrays that were written again.
        reports: Reports, and errors and approvals on record, that were written again.
        served: What became of the model for TensorFlow Serving.
        leftovers: Leftovers of killed attempts that were deleted.
        in_use: Leftovers that are too young for that: a running stage may be writing them. Neither they nor the files
            they are to become were touched.
        unknown: Files of no kind that the job writes; they were not looked into.
        finished: Whether the run has published; one that has not may be running and write more.
        unreadable: What is damaged, and may still hold the user.
    """

    files: int = 0
    rows: int = 0
    models: int = 0
    reports: int = 0
    served: str = "untouched"
    leftovers: int = 0
    in_use: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    finished: bool = True
    unreadable: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Only what is not as it is in an untouched, finished run."""
        usual = asdict(Erased())
        return {name: value for name, value in asdict(self).items() if value != usual[name]}


def erase_from_folder(config: Config, folder: RunFolder, user_id: int, *, now: datetime) -> Erased:
    """Takes a user out of every file of a run folder. A file that does not hold the user is not written.

    Args:
        config: Says the scale of ratings.
        folder: The run folder.
        user_id: Whom to erase.
        now: The time, to tell leftovers of killed attempts from what is being written.

    Raises:
        StorageFailed: The store fails, or a stage writes the same file at the same time; erasing again goes on from
            there.
    """
    problems = Problems()
    every = files_of(folder)
    leftovers = {name: leftover for name in every if (leftover := leftover_of(name))}
    young = sorted({leftovers[name] for name in leftovers if _is_young(folder, name, now)})
    old = sorted(set(leftovers.values()) - set(young))
    for leftover in old:
        remove_leftover(folder, leftover)
    # Writing a file takes away what an earlier attempt at it has left: not from under a stage that may be at work.
    names = [name for name in every if name not in leftovers and not any(is_leftover_of(one, name) for one in young)]

    models, served = erase_from_models(config, folder, names, user_id, problems)
    found: dict[str, UserRows] = {}
    for name in names:
        if name.endswith(".parquet"):
            with problems.noted():
                counted = user_rows(folder, name, user_id)
                if counted is not None:
                    found[name] = counted
    # Summaries first, from what the files will hold: an attempt that is killed in between comes to the same again.
    with problems.noted():
        correct_summaries(folder, found, user_id)
    reports = erase_from_reports(folder, names, user_id, problems)
    holding = {name: rows.own for name, rows in found.items() if rows.own}
    for name in list(holding):
        with problems.noted():
            remove_user_rows(folder, name, user_id)
            continue
        del holding[name]  # damaged
    finished = False
    with problems.noted():
        finished = folder.summary_if_finished("publish") is not None
    return Erased(
        files=len(holding),
        rows=sum(holding.values()),
        models=models,
        reports=reports,
        served=served,
        leftovers=len(old),
        in_use=young,
        unknown=[name for name in names if not _is_known(name)],
        finished=finished,
        unreadable=problems.causes,
    )


def _is_young(folder: RunFolder, name: str, now: datetime) -> bool:
    moment = written_at(folder, name)
    return moment is not None and now - moment < ABANDONED


def _is_known(name: str) -> bool:
    return name.endswith((".parquet", ".json", ".npz")) or name == REPORT or "/saved_model/" in f"/{name}"
