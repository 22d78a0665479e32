"""The commands `recommender-job publications …`."""

from __future__ import annotations

from typing import Annotated

import typer

from recommender_job import console
from recommender_job.cli_options import Json, config_of, show_result

app = typer.Typer(help="The sets of lists that are kept.", no_args_is_help=True)


@app.command("list")
def list_publications(json: Json = False) -> None:
    """List the publications that are kept, the newest first."""
    from recommender_job.publishing.publications import publications
    from recommender_job.storage.database import Database

    rows = publications(Database.of(config_of()))
    columns = ["publication_id", "is_active", "run_id", "data_through", "published_at", "users", "rows", "rmse"]
    table = [[row[column] for column in columns] for row in rows]
    show_result(json, {"publications": rows}, lambda: console.print_table("Publications", columns, table))


@app.command()
def rollback(
    publication_id: Annotated[
        int | None, typer.Argument(help="Default: the newest below the active one that was ever active.")
    ] = None,
    json: Json = False,
) -> None:
    """Make an older publication active again."""
    from recommender_job.publishing.publications import rollback as work
    from recommender_job.storage.database import Database

    result = work(Database.of(config_of()), publication_id)
    text = f"publication {result['publication_id']} is active, {result['previous']} was"
    show_result(json, result, lambda: print(text))
