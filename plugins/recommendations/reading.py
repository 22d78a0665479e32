"""What the pages show, read from the recommender's database and its run folders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recommender_job.config import Config, load_config
from recommender_job.errors import NotPublished
from recommender_job.publishing import publications
from recommender_job.reporting.nights import nights
from recommender_job.runs import folder_of
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database

if TYPE_CHECKING:
    from collections.abc import Sequence

REPORT = "report/report.html"
#: Ids that PostgreSQL's bigint can hold.
HIGHEST_ID = 2**63 - 1

_DEFAULT = """
    select rank, experience_id, experience_name, predicted_rating, reason
    from recommender.default_recommendations order by rank
"""


@dataclass(frozen=True)
class Overview:
    """The first page.

    Args:
        status: The row of `recommendation_status`; None before the first night.
        kept: The publications that can be read, the newest first.
        nights: The last nights, the newest first.
    """

    status: dict[str, Any] | None
    kept: Sequence[dict[str, Any]]
    nights: Sequence[dict[str, Any]]


def configured() -> tuple[Config, Database]:
    """The configuration and the database, as a task of the night gets them: from this process's environment."""
    config = load_config()
    return config, Database.of(config)


def overview(config: Config, database: Database) -> Overview:
    """Reads the first page."""
    try:
        status = publications.status(database)
    except NotPublished:
        status = None
    return Overview(status, kept(database), nights(database, config.report.nights))


def kept(database: Database) -> list[dict[str, Any]]:
    """The publications that can be gone back to, the newest first."""
    with database.transaction() as transaction:
        return publications.kept(transaction)


def list_of(database: Database, user_id: int) -> dict[str, Any]:
    """What the website shows a user: see `recommender_job.publishing.publications.lists_of`."""
    return publications.lists_of(database, user_id)


def default_list(database: Database) -> list[dict[str, Any]]:
    """What the website shows visitors, best first; empty before the first night."""
    with database.transaction() as transaction:
        return transaction.rows(_DEFAULT)


def user_id_of(text: str) -> int | None:
    """A user id that somebody typed; None when it cannot be one."""
    text = text.strip()
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 20):
        return None
    number = int(text)
    return number if -HIGHEST_ID <= number <= HIGHEST_ID else None


def report_of(config: Config, run_id: str) -> bytes | None:
    """A run's report, as HTML; None where the run has none or is none.

    Args:
        config: Says where the run folders are.
        run_id: As it was typed; it leads to no file outside the run folders.
    """
    name = folder_of(run_id)
    if name.strip(".") == "":  # the folder of all runs, and the one above it
        return None
    folder = RunFolder(config.runs, name)
    path = folder.path / REPORT
    with folder.reading(REPORT):
        return bytes(path.read_bytes()) if path.exists() else None


def latest_report(config: Config, database: Database) -> str | None:
    """The last run whose report can be read; None when there is none."""
    known = (night["run_id"] for night in nights(database, config.report.nights))
    return next((run_id for run_id in known if report_of(config, run_id) is not None), None)
