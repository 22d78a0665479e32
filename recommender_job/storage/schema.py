"""Brings the database's schema up to date: alembic runs the SQL files of `sql/migrations` in order."""

from __future__ import annotations

from pathlib import Path

import tenacity
from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory

from recommender_job.errors import PublicationBusy, SchemaMissing
from recommender_job.storage.database import Database
from recommender_job.storage.translation import translated

SCHEMA = "recommender"
VERSION_TABLE = "schema_version"


def migrate(database: Database, *, patience_seconds: float = 60) -> dict[str, str]:
    """Applies the migrations that the database lacks; running it again changes nothing.

    Args:
        database: Where.
        patience_seconds: How long to try while others, such as a night that publishes, use the tables.

    Returns:
        `revision`: the schema's version now.

    Raises:
        PublicationBusy: They still do; nothing was changed.
        SchemaMissing: A newer version of the job has migrated it.
    """
    alembic = _alembic(database)
    scripts = ScriptDirectory.from_config(alembic)
    for attempt in tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(PublicationBusy),
        stop=tenacity.stop_after_delay(patience_seconds),
        wait=tenacity.wait_fixed(2),
        reraise=True,
    ):
        with attempt, translated():
            _refuse_newer(scripts, _version(database))
            command.upgrade(alembic, "head")
    return {"revision": str(scripts.get_current_head())}


def check_current(database: Database) -> None:
    """Refuses to work on a schema of another version.

    Raises:
        SchemaMissing: Says which version is there and which is needed.
    """
    scripts, there = ScriptDirectory.from_config(_alembic(database)), _version(database)
    head = scripts.get_current_head()
    _refuse_newer(scripts, there)
    if there != head:
        raise SchemaMissing(
            f"The database's schema version is {there or 'none'}, this job needs {head}.",
            action="Run `recommender-job migrate`.",
        )


def _version(database: Database) -> str | None:
    """The version of the database's schema; None where there is none."""
    with database.transaction() as transaction:
        exists = transaction.rows("select to_regclass('recommender.schema_version') is not null as there")[0]["there"]
        row = transaction.row("select version_num from recommender.schema_version") if exists else None
    return row["version_num"] if row else None


def _refuse_newer(scripts: ScriptDirectory, there: str | None) -> None:
    known = {script.revision for script in scripts.walk_revisions()}
    if there is not None and there not in known:
        raise SchemaMissing(
            f"A newer version of the job has migrated this database: its schema version is {there}, this job knows"
            f" {scripts.get_current_head()} at most.",
            action="Install that version of the job, or restore the backup of before the upgrade.",
        )


def _alembic(database: Database) -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["engine"] = database.engine
    return config
