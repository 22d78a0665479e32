"""The service `init`: databases, accounts, schemas, pool, connections, and the passwords of Airflow's users.

Runs before every start of the stack and changes nothing where all of it is there already; after an upgrade it migrates.
Connects as the server's superuser, which no other service knows. Secrets come from the environment and go into no
argument and no log.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import sqlalchemy as sa

from recommender_job.config import load_config
from recommender_job.errors import ConfigurationError, RecommenderError
from recommender_job.storage import schema
from recommender_job.storage.accounts import ensure_account, ensure_database
from recommender_job.storage.database import Database

#: Accounts of Airflow's own pages, and where their passwords are.
USERS = {"admin": "AIRFLOW_ADMIN_PASSWORD", "ops": "AIRFLOW_OPS_PASSWORD", "looker": "AIRFLOW_LOOKER_PASSWORD"}
POOL = ("recommender", "2", "Heavy tasks of the nightly recommender; each takes about 1 GB")


def main() -> None:
    """Does all of it, in the order in which one thing needs the other."""
    recommender = Database.of(load_config())
    prepare_databases(recommender)
    print("databases, accounts and the job's schema are there", flush=True)
    call("airflow", "db", "migrate")
    ensure_pool()
    ensure_connections(website_connection(recommender.url))
    write_passwords(Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]))
    print("done", flush=True)


def prepare_databases(recommender: Database) -> None:
    """Databases, schema and accounts, each account with what it needs and nothing else.

    Args:
        recommender: The job's database, which need not be there yet, as the server's superuser.
    """
    server = Database(recommender.url.set(database="postgres"))
    name = str(recommender.url.database)
    ensure_database(server, name)
    ensure_database(server, "airflow")
    schema.migrate(recommender)
    with recommender.transaction() as transaction:
        # Of databases that others have made: on PostgreSQL 14 everybody may make tables in `public`.
        transaction.run("revoke all on schema public from public")
        for database in (name, "airflow"):
            transaction.define("revoke all on database {database} from public", {"database": database})
        ensure_account(transaction, "airflow", secret("AIRFLOW_DATABASE_PASSWORD"), owns="airflow")
        roles = ("recommender_reader", "recommender_writer")
        ensure_account(transaction, "job", secret("JOB_PASSWORD"), roles=roles, connect=name)
        ensure_account(transaction, "website", secret("WEBSITE_PASSWORD"), roles=("website_reader",), connect=name)


def ensure_pool() -> None:
    """The pool, unless it is there: somebody may have changed its size."""
    if subprocess.run(["airflow", "pools", "get", POOL[0]], capture_output=True, check=False).returncode:
        call("airflow", "pools", "set", *POOL)


def website_connection(url: sa.URL) -> dict[str, object]:
    """What DAGs of other people read the lists with, as the website does."""
    return {
        "conn_type": "postgres",
        "host": url.host,
        "port": url.port,
        "schema": url.database,
        "login": "website",
        "password": secret("WEBSITE_PASSWORD"),
        "description": "The lists, as the website reads them",
    }


def ensure_connections(website: dict[str, object]) -> None:
    """Airflow's connections; the one to the mail server is left to whoever has one."""
    with tempfile.TemporaryDirectory() as folder:  # nobody else's: the file holds a password
        file = Path(folder) / "connections.json"
        file.write_text(json.dumps({"recommendations": website}))
        call("airflow", "connections", "import", "--overwrite", str(file))


def write_passwords(file: Path) -> None:
    """The file that Airflow's simple auth manager reads, for its user alone."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({user: secret(name) for user, name in USERS.items()})
    if file.exists() and file.read_text() == text:
        return
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as target:
        target.write(text)
    new.replace(file)


def secret(name: str) -> str:
    """A secret of the environment.

    Raises:
        ConfigurationError: It is not there.
    """
    if not os.environ.get(name):
        raise ConfigurationError(f"{name} is not set.", action=f"Add a line {name}=… to .env.")
    return os.environ[name]


def call(*command: str) -> None:
    """Runs a program; when it fails, so does this."""
    subprocess.run(command, check=True)


if __name__ == "__main__":
    try:
        main()
    except RecommenderError as error:
        sys.exit(f"✘ {error}")
