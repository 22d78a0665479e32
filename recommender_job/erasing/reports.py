"""Takes a user out of what was told of nights: run reports, why stages failed, and the table of nights."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

from recommender_job.erasing.problems import Problems
from recommender_job.nightly import REPORT
from recommender_job.reporting.failed_stages import FOLDER
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database

#: Stands where an id stood.
ERASED = "[erased]"
#: Summaries that tell why a night ended.
_TELLING = "finished/report.json"

_NIGHTS = """
    update recommender.night set reasons = array(
        select regexp_replace(one, :anywhere, :erased, 'g')
        from unnest(reasons) with ordinality as told (one, place) order by place
    )
    where exists (select 1 from unnest(reasons) as one where one ~ :anywhere)
"""


def erase_from_reports(folder: RunFolder, names: list[str], user_id: int, problems: Problems) -> int:
    """Cuts a user's lists out of the run report, and the id out of the texts of errors.

    In a text, any whole number that is the id goes: rather a count is lost than the person's id is kept.

    Args:
        folder: The run folder.
        names: All files in it.
        user_id: Whom to erase.
        problems: Where damaged files are told.

    Returns:
        How many files were written again.
    """
    written = 0
    for name in names:
        with problems.noted():
            if name == REPORT:
                with folder.reading(name):
                    page = (folder.path / name).read_text("utf-8")
                left = _without(page, user_id)
                if left != page:
                    folder.write_text(name, left)
                    written += 1
            elif name == _TELLING or (str(PurePosixPath(name).parent) == FOLDER and name.endswith(".json")):
                told = folder.read_json(name)
                rest = {key: _redacted(value, user_id) for key, value in told.items()}
                if rest != told:
                    folder.write_json(name, rest)
                    written += 1
    return written


def erase_from_nights(database: Database, user_id: int) -> int:
    """Takes a user's id out of the reasons in the table of nights; returns how many nights had it."""
    with database.transaction() as transaction:
        return transaction.run(_NIGHTS, anywhere=_anywhere(user_id), erased=ERASED)


def _without(page: str, user_id: int) -> str:
    """The report without the block of the user, and without the id where errors are told."""
    page = re.sub(rf"<!--user {user_id}-->.*?<!--/user-->\s*", "", page, flags=re.DOTALL)
    return re.sub(r"<!--told-->.*?<!--/told-->", lambda part: _redacted(part.group(), user_id), page, flags=re.DOTALL)


def _redacted(value: Any, user_id: int) -> Any:
    if isinstance(value, str):
        return re.sub(_anywhere(user_id), ERASED, value)
    return [_redacted(one, user_id) for one in value] if isinstance(value, list) else value


def _anywhere(user_id: int) -> str:
    """Finds an id that stands alone, for Python and PostgreSQL alike; 42 is not in 142, 0.42 or 42.5."""
    return rf"(?<![0-9.,]){user_id}(?![0-9]|[.,][0-9])"
