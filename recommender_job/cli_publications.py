"""The commands `recommender-job publications …`."""

from __future__ import annotations

from typing import Annotated, Any

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
    shown = ("publication_id", "is_active", "run_id", "data_through", "published_at", "users", "rows", "rmse")
    columns = [*shown, "override_by"]
    table = [[row[column] for column in columns] for row in rows]
    show_result(json, {"publications": rows}, lambda: console.print_table("Publications", columns, table))


@app.command()
def rollback(
    publication_id: Annotated[
        int | None, typer.Argument(help="Default: what was live before the active one's run.")
    ] = None,
    json: Json = False,
) -> None:
    """Make an older publication active again."""
    from recommender_job.publishing.publications import rollback as work
    from recommender_job.storage.database import Database

    _show_switch(json, work(Database.of(config_of()), publication_id))


@app.command()
def activate(
    publication_id: Annotated[int, typer.Argument(help="Such as that of a dry run.")],
    force: Annotated[bool, typer.Option("--force", help="Also when the active one knows later ratings.")] = False,
    json: Json = False,
) -> None:
    """Make a publication active that was built and checked but not shown."""
    from recommender_job.publishing.activate import activate as work
    from recommender_job.storage.database import Database

    _show_switch(json, work(Database.of(config_of()), publication_id, force=force))


@app.command()
def prune(
    keep: Annotated[
        int | None, typer.Option(min=1, help="How many stay, the active one included; default: keep_publications.")
    ] = None,
    json: Json = False,
) -> None:
    """Drop publications that nobody will go back to, as every night does."""
    from recommender_job.publishing import pruning, publications
    from recommender_job.storage.database import Database

    config = config_of()
    database = Database.of(config)
    result = {
        "pruned": pruning.prune(database, keep or config.keep_publications),
        "held": pruning.held(database),
        "kept": [row["publication_id"] for row in publications.publications(database)],
    }

    def people() -> None:
        print(f"dropped: {_ids(result['pruned'])}; kept: {_ids(result['kept'])}")
        if result["held"]:
            print(f"a reader still looks at: {_ids(result['held'])}; the next night or `prune` drops what is left")

    show_result(json, result, people)


@app.command()
def diff(
    a: Annotated[int, typer.Argument(help="Publication id, such as that of the active one.")],
    b: Annotated[int, typer.Argument(help="Publication id to compare with it.")],
    json: Json = False,
) -> None:
    """Say what changes for users from one publication to another."""
    from recommender_job.publishing.diff import diff as work
    from recommender_job.storage.database import Database

    result = work(Database.of(config_of()), a, b)

    def people() -> None:
        title = f"From publication {a} to {b}"
        console.print_table(
            title, ["", "A", "B"], [[key, value, result["b"][key]] for key, value in result["a"].items()]
        )
        figures = {f"users: {key}": count for key, count in result["users"].items()}
        names = ("identical_lists", "mean_overlap", "first_changed", "mean_rating_change")
        console.print_fields("Users", {**figures, **{name: result[name] for name in names}})
        for name in ("experiences", "most_changed"):
            rows = [[str(cell) if key.endswith("_id") else cell for key, cell in row.items()] for row in result[name]]
            console.print_table(name.replace("_", " "), list(result[name][0]) if rows else [""], rows)

    show_result(json, result, people)


def _show_switch(json: bool, result: dict[str, Any]) -> None:
    before = "nothing" if result["previous"] is None else result["previous"]
    text = f"publication {result['publication_id']} is active, {before} was"
    show_result(json, result, lambda: print(text))


def _ids(ids: list[int]) -> str:
    return ", ".join(map(str, ids)) or "none"
