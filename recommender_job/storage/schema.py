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
    """
    alembic = _alembic(database)
    for attempt in tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(PublicationBusy),
        stop=tenacity.stop_after_delay(patience_seconds),
        wait=tenacity.wait_fixed(2),
        reraise=True,
    ):
        with attempt, translated():
            command.upgrade(alembic, "head")
    return {"revision": str(ScriptDirectory.from_config(alembic).get_current_head())}


def check_current(database: Database) -> None:
    """Refuses to work on a schema of another version.

    Raises:
        SchemaMissing: Says which version is there and which is needed.
    """
    head = ScriptDirectory.from_config(_alembic(database)).get_current_head()
    with database.transaction() as transaction:
        exists = transaction.rows("select to_regclass('recommender.schema_version') is not null as there")[0]["there"]
        row = transaction.row("select version_num from recommender.schema_version") if exists else None
    if row is None or row["version_num"] != head:
        there = "none" if row is None else row["version_num"]
        raise SchemaMissing(
            f"The database's schema version is {there}, this job needs {head}.", action="Run `recommender-job migrate`."
        )


def _alembic(database: Database) -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["engine"] = database.engine
    return config
