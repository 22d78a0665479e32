"""The database's password stays where it was given: no file, table, log, output or error text of a night holds it."""

from __future__ import annotations

import json
import os
import pickle
import socket
import subprocess
import sys
import traceback
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from recommender_job import nightly
from recommender_job.config import load_config
from recommender_job.errors import RecommenderError
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.importer import import_ratings
from recommender_job.ratings.sample import sample_ratings
from recommender_job.runs import Run, moment
from recommender_job.storage.database import Database, plain_url

PASSWORD = "Vx93-zebra-lantern-Qk47"
#: Enough of it to be useful to a thief, in whatever spelling.
PARTS = ("Vx93", "zebra", "lantern", "Qk47")
SCRIPT = Path(sys.executable).with_name("recommender-job")
SETTINGS = {
    "RECOMMENDER_MODEL__EPOCHS": "2",
    "RECOMMENDER_MODEL__DENSE": "false",
    "RECOMMENDER_MODEL__EMBEDDING_DIMENSION": "4",
    "RECOMMENDER_GATE__SIGNIFICANCE": "0.01",
    "RECOMMENDER_GATE__MAX_RMSE": "9",
    "RECOMMENDER_GATE__MAX_LIST_LOSS": "1",
    "RECOMMENDER_GATE__MIN_PERSONAL_LISTS": "0",
    "RECOMMENDER_GATE__MIN_DISTINCT_LISTS": "0",
    "RECOMMENDER_GATE__MAX_EXPOSURE": "1",
    "RECOMMENDER_KEEP_ALL_PREDICTIONS": "true",
}
#: A night with every log switched on, whose summaries are what Airflow would keep as XCom; then one as people run it.
PROGRAM = """
import json, logging, sys
logging.basicConfig(level=logging.DEBUG)
from recommender_job import cli, nightly
from recommender_job.config import load_config
from recommender_job.runs import Run, moment
config = load_config()
print(config, repr(config), config.model_dump_json(), config.model_dump(), sep="\\n")
night = Run.at(moment("2024-01-01", config.timezone))
told = nightly.run_night(config, night, report=lambda stage, summary: print(stage, json.dumps(summary)))
print(json.dumps(told))
sys.argv = ["recommender-job", "run", "--as-of", "2024-01-02", "--json"]
cli.main()
"""


def secrets_in(text: str | bytes) -> list[str]:
    """Parts of the password that a text holds."""
    found = text if isinstance(text, bytes) else text.encode()
    return [part for part in PARTS if part.encode() in found]


@dataclass(frozen=True)
class Shop:
    """A database, the environment of an account with a password, and what two nights under it told."""

    database: Database
    env: dict[str, str]
    home: Path
    told: str

    def call(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Runs a command as people do."""
        return subprocess.run(
            [SCRIPT, *arguments], env={**self.env, **env}, cwd=self.home, capture_output=True, text=True
        )


@pytest.fixture(scope="module")
def shop(server: sa.URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    name, home = f"shop_{uuid.uuid4().hex}", tmp_path_factory.mktemp("shop")
    with Database(server.set(database="postgres")).autocommit() as session:
        session.define("create database {name} template template", {"name": name})
    database = Database(server.set(database=name))
    sample_ratings(60, 20, seed=1).to_csv(home / "ratings.csv", index=False)
    import_ratings(database, home / "ratings.csv", Columns(), now=moment("2024-01-01", "UTC"), scale=(1, 5))
    with database.transaction() as transaction:
        transaction.define("create role {name} login password {secret}", {"name": name}, secret=PASSWORD)
        transaction.define("grant recommender_reader, recommender_writer to {name}", {"name": name})
    outside = {key: value for key, value in os.environ.items() if not key.startswith("RECOMMENDER_")}
    url = plain_url(server.set(database=name, username=name, password=PASSWORD))
    env = {**outside, **SETTINGS, "RECOMMENDER_HOME": str(home), "RECOMMENDER_DATABASE_URL": url}
    assert secrets_in(url) == list(PARTS)
    night = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=env, cwd=home, capture_output=True, text=True, check=False
    )
    assert night.returncode == 0, night.stderr[-2000:]
    yield Shop(database, env, home, night.stdout + night.stderr)
    with database.transaction() as transaction:
        transaction.define("drop owned by {name}", {"name": name})
        transaction.define("drop role {name}", {"name": name})


def test_no_log_no_summary_and_no_setting_shows_it(shop: Shop) -> None:
    for expected in ("stage finished", "SecretStr('**********')", '"database_url":"**********"', "publication_id"):
        assert expected in shop.told
    assert secrets_in(shop.told) == []


def test_no_file_of_a_run_holds_it(shop: Shop) -> None:
    files = [path for path in (shop.home / "runs").rglob("*") if path.is_file()]
    assert len(files) > 40
    assert {file.name for file in files} > {"report.html", "report.json"}
    for file in files:
        assert secrets_in(file.read_bytes()) == [], file
        if file.suffix == ".parquet":  # compressed
            assert secrets_in(str(pq.read_table(file).to_pydict())) == [], file


def test_no_table_of_the_job_holds_it(shop: Shop) -> None:
    with shop.database.transaction() as transaction:
        tables = transaction.rows(
            "select relname as name from pg_class where relnamespace = 'recommender'::regnamespace"
            " and relkind in ('r', 'p', 'v') order by 1"
        )
        rows = {
            table["name"]: transaction.rows(f"select t::text as line from recommender.{table['name']} as t")
            for table in tables
        }
    assert len(rows["publication"]) == 2
    assert len(rows["extraction"]) == 2
    assert secrets_in(str(rows)) == []


@pytest.mark.parametrize(
    "command",
    ["status", "report", "show 1", "publications list", "publications rollback", "migrate", "report no-such-run"],
)
def test_no_command_tells_it(shop: Shop, command: str) -> None:
    told = shop.call(*command.split(), "--json")
    assert json.loads(told.stdout) or command == "migrate"
    assert secrets_in(told.stdout + told.stderr) == []


def nobodys_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


#: What is wrong, the environment that makes it so, and the error that tells.
FAILURES = [
    ("SourceBroken", {"RECOMMENDER_SOURCE_QUERIES": "broken"}),
    ("DatabaseAway", {"RECOMMENDER_DATABASE_URL": "postgresql://job:SECRET@127.0.0.1:PORT/shop"}),
    ("DatabaseAway", {"RECOMMENDER_DATABASE_URL": "postgresql://127.0.0.1:PORT/shop?user=job&password=SECRET"}),
    ("ConfigurationError", {"RECOMMENDER_DATABASE_URL": "postgresql://job:SECRET@host:port/shop"}),
    ("ConfigurationError", {"RECOMMENDER_DATABASE_URL": "postgresql://job:a@SECRET@host/shop"}),
    ("ConfigurationError", {"RECOMMENDER_DATABASE_URL": "job:SECRET@host"}),
    ("ConfigurationError", {"RECOMMENDER_DATABASE_URL": "mysql://job:SECRET@host/shop"}),
]


@pytest.mark.parametrize(("kind", "env"), FAILURES)
def test_no_failure_tells_it(shop: Shop, monkeypatch: pytest.MonkeyPatch, kind: str, env: dict[str, str]) -> None:
    (shop.home / "broken").mkdir(exist_ok=True)
    (shop.home / "broken" / "ratings.sql").write_text("select nonsense")
    monkeypatch.chdir(shop.home)
    port = str(nobodys_port())
    env = {name: value.replace("SECRET", PASSWORD).replace("PORT", port) for name, value in env.items()}
    for name, value in {**shop.env, **env}.items():
        monkeypatch.setenv(name, value)
    config = load_config()
    with pytest.raises(RecommenderError) as caught:
        nightly.run_night(config, Run.at(moment("2024-01-03", "UTC")))
    error = caught.value
    assert type(error).__name__ == kind
    assert error.stage == "extract"
    assert secrets_in(pickle.dumps(error)) == []
    assert secrets_in(str(error) + repr(error) + repr(vars(error))) == []
    assert secrets_in("".join(traceback.format_exception(error))) == []
    assert secrets_in(repr(config) + str(config) + config.model_dump_json()) == []
    told = shop.call("run", "--as-of", "2024-01-03", "--json", **env)
    assert (told.returncode, json.loads(told.stdout)["error"]["type"]) == (1, kind)
    assert secrets_in(told.stdout + told.stderr) == []


def test_a_setting_that_is_refused_is_told_without_it(shop: Shop) -> None:
    told = shop.call("status", RECOMMENDER_DATABASE_URLS=PASSWORD)
    assert told.returncode == 2
    assert secrets_in(told.stdout + told.stderr) == []
