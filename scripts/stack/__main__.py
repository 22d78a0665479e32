"""The command line of the stack without Docker: what the Makefile calls.

In the environment, `STACK_HOME` names the folder of data and logs, `STACK_ENV_FILE` the file of secrets. Ports and
everything else that `.env.example` lists come from the environment or else from that file, as for compose.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from recommender_job.errors import RecommenderError
from scripts.stack import secrets, settings, workers
from scripts.stack.compose import ROOT, services, variables
from scripts.stack.stack import Stack

app = typer.Typer(
    help="The stack of docker-compose.yml without Docker.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they would show local variables, secrets among them
)


def env_file() -> Path:
    """The file of secrets."""
    return Path(os.environ.get("STACK_ENV_FILE") or ROOT / ".env").resolve()


def stack() -> Stack:
    """The stack that the environment describes."""
    return Stack(Path(os.environ.get("STACK_HOME") or ROOT / "var" / "stack"), env_file(), given())


def given() -> dict[str, str]:
    """The variables of the compose file that the environment sets; they go before those of the file of secrets."""
    known = [*variables(), "COMPOSE_PROFILES", "WORKERS"]
    return {name: os.environ[name] for name in known if name in os.environ}


def make_files(*, elsewhere: bool = False) -> None:
    """Writes both files that people fill in, unless they are there, and looks whether they can be used.

    Args:
        elsewhere: Whether only a worker is to be started here: it knows the main machine's secrets, and makes none.
    """
    if not elsewhere and secrets.ensure(env_file()):
        print(f"• Made new secrets in {env_file()}")
    values = {**secrets.read(env_file()), **given()}
    settings.refuse_misplaced(values, env_file())
    workers.check(values, elsewhere=elsewhere)
    if settings.ensure(values):
        print(f"• Made {settings.folder(values) / settings.NAME}, for who is told of failures and other settings")
    services(values, ROOT)


@app.command()
def up() -> None:
    """Start what does not run, and wait until everything is healthy."""
    started = time.monotonic()
    make_files()
    here = stack()
    print(f"• Starting {', '.join(here.services)}: about a minute", flush=True)
    here.start()
    print(f"✔ All services are healthy after {time.monotonic() - started:.0f} s")
    print(f"  Airflow  {here.url}, users admin, ops and looker; make passwords says where their passwords are")
    print(f"  logs     {here.home / 'services'}, or make logs-local")
    print(f"  data     {here.home}; make down-local stops everything and keeps them")


@app.command()
def down() -> None:
    """Stop everything, also what a crash has left; the data stay."""
    print("stopped: " + (", ".join(stack().stop()) or "nothing ran"))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(context: typer.Context, service: Annotated[str, typer.Argument(help="Whose environment.")]) -> None:
    """Run a command in a service's environment, such as `run init recommender-job import-ratings FILE`."""
    here = stack()
    if service not in here.services or not context.args:
        raise typer.BadParameter(f"Name one of {', '.join(here.services)}, and a command.")
    here.run(service, *context.args)


@app.command("secrets")
def make_secrets(
    elsewhere: Annotated[bool, typer.Option("--worker", help="For a worker beside the main machine.")] = False,
) -> None:
    """Write the files of secrets and of settings unless they are there; refuse those that cannot be used."""
    make_files(elsewhere=elsewhere)


@app.command()
def secret() -> None:
    """Print a new random value, for a secret that is missing or to be replaced."""
    print(secrets.fresh())


@app.command()
def passwords() -> None:
    """Say where the passwords are; they are not shown."""
    secrets.read(env_file())
    print(f"{env_file()} holds them, readable for its owner only. To see those of Airflow's pages:")
    print(f"  grep -E '^AIRFLOW_(ADMIN|OPS|LOOKER)_PASSWORD=' {env_file()}")
    print("admin may do everything, ops may trigger, clear and approve, looker only looks.")


if __name__ == "__main__":
    try:
        app()
    except RecommenderError as error:
        sys.exit(f"✘ {error.cause}\n  Next: {error.action}")
