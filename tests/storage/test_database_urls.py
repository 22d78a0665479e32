"""The database's URL: what is none, what leads nowhere, and no message that shows the password."""

from __future__ import annotations

import socket
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from recommender_job.config import Config, load_config
from recommender_job.errors import ConfigurationError, DatabaseAway
from recommender_job.storage.database import Database, database_url, plain_url

PASSWORD = "s3cr3t-Pässwörd"


def told(error: BaseException) -> str:
    """Everything a log would show."""
    return str(error) + repr(error) + "".join(traceback.format_exception(error))


def test_an_unreachable_server_is_told_without_the_password() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = sa.URL.create("postgresql+psycopg2", "job", PASSWORD, "127.0.0.1", port, "recommender")
    with pytest.raises(DatabaseAway) as caught, Database(url).transaction():
        pass
    assert caught.value.cause.startswith("The database cannot be reached: ")
    assert f"port {port} failed: Connection refused" in caught.value.cause
    assert "Check that PostgreSQL runs and that `database_url` names it" in str(caught.value)
    assert PASSWORD not in told(caught.value)
    assert PASSWORD in plain_url(url).replace("%C3%A4", "ä").replace("%C3%B6", "ö")


def test_a_database_that_is_not_there_is_told_without_the_password(server: sa.URL) -> None:
    with pytest.raises(DatabaseAway) as caught, Database(server.set(database="nope", password=PASSWORD)).transaction():
        pass
    assert 'database "nope" does not exist' in caught.value.cause
    assert PASSWORD not in told(caught.value)


@pytest.mark.parametrize(
    "wrong",
    ["mysql://job:{}@host/db", "postgresql://job:{}@host:port/db", "job:{}@host", "sqlite:///{}", ""],
)
def test_a_wrong_url_is_told_without_the_password(tmp_path: Path, wrong: str) -> None:
    config = load_config({"home": tmp_path, "database_url": wrong.format(PASSWORD)})
    with pytest.raises(ConfigurationError) as caught:
        database_url(config)
    assert caught.value.cause == "`database_url` is not a PostgreSQL URL."
    assert caught.value.action == "Write postgresql://user:password@host:5432/database."
    assert PASSWORD not in told(caught.value)


def test_urls_of_the_configuration(make_config: Callable[..., Config], database: Database) -> None:
    assert Database.of(make_config()).url == database.url
    url = database_url(make_config({"database_url": "postgres://job:p%40ss@host:6543/db"}))
    assert plain_url(url) == "postgresql://job:p%40ss@host:6543/db"
