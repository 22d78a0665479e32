"""Takes a user out of what was told of nights: run reports, why stages failed, approvals, and the table of nights."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

from recommender_job.erasing.problems import Problems
from recommender_job.evaluating.approval import OVERRIDE, STAGE
from recommender_job.nightly import REPORT
from recommender_job.reporting.failed_stages import FOLDER
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database

#: Stands where an id stood.
ERASED = "[erased]"
#: Where somebody's own words may name a user, and the keys that lead to them.
_WORDS = {
    "finished/report.json": ("reasons",),
    OVERRIDE: ("reason",),
    f"finished/{STAGE}.json": ("reason",),
    "finished/publish.json": ("override", "reason"),
}

_NIGHTS = """
    update recommender.night set reasons = array(
        select regexp_replace(one, :anywhere, :erased, 'g')
        from unnest(reasons) with ordinality as told (one, place) order by place
    )
    where exists (select 1 from unnest(reasons) as one where one ~ :anywhere)
"""
_APPROVALS = """
    update recommender.publication set override_reason = regexp_replace(override_reason, :anywhere, :erased, 'g')
    where override_reason ~ :anywhere
"""


def erase_from_reports(folder: RunFolder, names: list[str], user_id: int, problems: Problems) -> int:
    """Cuts a user's lists out of the run report, and the id out of the texts of errors and of approvals.

    In a text, any whole number that is the id goes, wherever it stands: rather a count or a part of a figure is lost
    than the person's id is kept.

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
                continue
            is_failure = str(PurePosixPath(name).parent) == FOLDER and name.endswith(".json")
            if is_failure or name in _WORDS:
                told = folder.read_json(name)
                rest = _at(told, _WORDS.get(name, ()), user_id)
                if rest != told:
                    folder.write_json(name, rest)
                    written += 1
    return written


def erase_from_nights(database: Database, user_id: int) -> int:
    """Takes a user's id out of the reasons in the table of nights and of approvals; returns how many had it."""
    with database.transaction() as transaction:
        return sum(
            transaction.run(statement, anywhere=_anywhere(user_id), erased=ERASED)
            for statement in (_NIGHTS, _APPROVALS)
        )


def _without(page: str, user_id: int) -> str:
    """The report without the block of the user, and without the id where errors are told."""
    page = re.sub(rf"<!--user {user_id}-->.*?<!--/user-->\s*", "", page, flags=re.DOTALL)

    def redacted(part: re.Match[str]) -> str:
        # Tags and escaped characters hold digits too; they are passed over.
        return re.sub(
            rf"<[^>]*>|&#?\w+;|{_anywhere(user_id)}",
            lambda found: found.group() if found.group()[0] in "<&" else ERASED,
            part.group(),
        )

    return re.sub(r"<!--told-->.*?<!--/told-->", redacted, page, flags=re.DOTALL)


def _at(value: Any, path: tuple[str, ...], user_id: int) -> Any:
    """The value with the id taken out of what lies at a path; out of all of it where the path ends."""
    if path:
        known = isinstance(value, dict) and path[0] in value
        return {**value, path[0]: _at(value[path[0]], path[1:], user_id)} if known else value
    if isinstance(value, dict):
        return {key: _at(one, (), user_id) for key, one in value.items()}
    if isinstance(value, list):
        return [_at(one, (), user_id) for one in value]
    return re.sub(_anywhere(user_id), ERASED, value) if isinstance(value, str) else value


def _anywhere(user_id: int) -> str:
    """Finds an id with no other digit beside it, for Python and PostgreSQL alike: also in 42,1 and 0.42, not in 142."""
    return rf"(?<![0-9]){user_id}(?![0-9])"
