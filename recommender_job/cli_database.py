"""The commands `recommender-job db …`."""

from __future__ import annotations

import typer

from recommender_job.cli_options import DatabaseName, Json, config_of, show_result

app = typer.Typer(help="The embedded PostgreSQL server.", no_args_is_help=True)


@app.command()
def start(database: DatabaseName = None, json: Json = False) -> None:
    """Start the embedded server (or find it running) and print its URL."""
    print_url(database, json)


@app.command()
def url(database: DatabaseName = None, json: Json = False) -> None:
    """Print the database's URL, as psql takes it; the embedded server is started."""
    print_url(database, json)


@app.command()
def stop(json: Json = False) -> None:
    """Stop the embedded server."""
    from recommender_job.storage import embedded

    stopped = embedded.stop(config_of().home)
    show_result(json, {"stopped": stopped}, lambda: print("stopped" if stopped else "was not running"))


def print_url(database: str | None, json: bool) -> None:
    """Prints the URL of the job's database, or of another one of the embedded server."""
    from recommender_job.storage import embedded
    from recommender_job.storage.database import database_url, plain_url

    config = config_of()
    text = plain_url(embedded.start(config.home, database) if database else database_url(config))
    show_result(json, {"url": text}, lambda: print(text))
