"""The embedded server: started and stopped any number of times, without losing what is in it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from recommender_job.config import load_config
from recommender_job.errors import ConfigurationError, DatabaseAway
from recommender_job.storage import embedded
from recommender_job.storage.database import Database


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home with a short name: the path of a Unix socket has at most 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    yield path
    embedded.stop(path)
    shutil.rmtree(path)


def process(url: sa.URL) -> object:
    with Database(url).transaction() as transaction:
        return transaction.rows("select pg_postmaster_start_time() as since")[0]["since"]


def test_starting_again_finds_the_same_server(home: Path) -> None:
    url = embedded.start(home)
    since = process(url)
    assert embedded.start(home) == url
    assert process(url) == since
    assert (url.drivername, url.database) == ("postgresql+psycopg2", "recommender")


def test_a_configuration_without_a_url_means_the_embedded_server(home: Path) -> None:
    database = Database.of(load_config({"home": home}))
    assert database.url == embedded.start(home)
    with database.transaction() as transaction:
        row = transaction.row("select current_database() as name, current_setting('listen_addresses') as listens")
    assert row == {"name": "recommender", "listens": ""}


def test_it_carries_further_databases(home: Path) -> None:
    first, second = embedded.start(home), embedded.start(home, 'air "flow"')
    assert second == first.set(database='air "flow"')
    assert process(second) == process(first)


def test_stopping_keeps_the_data_and_says_whether_it_ran(home: Path) -> None:
    with Database(embedded.start(home)).autocommit() as session:
        session.run("create table kept as select 7 as figure")
    since = process(embedded.start(home))
    assert embedded.stop(home) is True
    assert embedded.stop(home) is False
    url = embedded.start(home)
    assert process(url) != since
    with Database(url).transaction() as transaction:
        assert transaction.rows("select figure from kept") == [{"figure": 7}]
    assert embedded.stop(home) is True


def test_stopping_what_was_never_started(tmp_path: Path) -> None:
    assert embedded.stop(tmp_path / "nothing") is False
    assert not (tmp_path / "nothing").exists()


def test_a_home_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DatabaseAway) as caught:
        embedded.start(tmp_path / "file" / "home")
    data = tmp_path / "file" / "home" / "postgres"
    assert caught.value.cause.startswith(f"The embedded PostgreSQL in {data} does not start: ")
    assert f"Read {data / 'log'}" in caught.value.action


def test_a_home_with_a_blank_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        embedded.start(tmp_path / "my files")
    assert "has a blank in it" in caught.value.cause
    assert caught.value.action == "Set RECOMMENDER_HOME to a folder without one."
    assert not (tmp_path / "my files").exists()
