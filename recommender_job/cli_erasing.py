"""The commands `recommender-job erase` and `erasures`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from recommender_job import console
from recommender_job.cli_options import Json, config_of, show_result

app = typer.Typer()
erasures_app = typer.Typer(help="Users who were erased, and taking that back.")
app.add_typer(erasures_app, name="erasures")

UserId = Annotated[int, typer.Argument(min=-(2**63), max=2**63 - 1, help="User id.")]


@app.command()
def erase(
    user: UserId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Erase a user from the lists, the quarantine and all run folders; later nights leave the user out."""
    from recommender_job.erasing.erase import erase as work
    from recommender_job.erasing.erase import raise_if_incomplete
    from recommender_job.storage.database import Database

    config = config_of()
    if not yes:
        typer.confirm(f"Erase user {user}? This cannot be undone", abort=True, err=True)
    with console.progress(not json) as display:
        task = display.add_task("erasing", total=None)
        receipt = work(
            config,
            Database.of(config),
            user,
            now=datetime.now(UTC),
            progress=lambda place: display.update(task, description=f"erasing: {place}"),
        )
    if json:
        raise_if_incomplete(receipt)  # one object on stdout: the receipt, or what went wrong
    show_result(json, receipt, lambda: _show(receipt))
    raise_if_incomplete(receipt)


@erasures_app.callback(invoke_without_command=True)
def erasures(context: typer.Context, json: Json = False) -> None:
    """List the users who were erased, the latest first."""
    from recommender_job.erasing.receipts import erasures as work
    from recommender_job.storage.database import Database

    if context.invoked_subcommand is not None:
        return
    rows = work(Database.of(config_of()))
    columns = ["user", "erased at", "attempts", "state"]
    table = [(str(row["user_id"]), row["erased_at"], row["attempts"], row["state"]) for row in rows]
    show_result(json, {"erasures": rows}, lambda: console.print_table("Erased users", columns, table))


@erasures_app.command()
def lift(user: UserId, json: Json = False) -> None:
    """Let a user be read from the source again; the next night reads everything."""
    from recommender_job.erasing.receipts import lift as work
    from recommender_job.storage.database import Database

    result = work(Database.of(config_of()), user)
    lifted = f"user {user} is read from the source again; the next night reads everything"
    text = lifted if result["lifted"] else f"user {user} was not erased; nothing has changed"
    show_result(json, result, lambda: print(text))


def _show(receipt: dict[str, Any]) -> None:
    runs = receipt["runs"]

    def total(name: str) -> int:
        return sum(erased.get(name, 0) for erased in runs.values())

    fields = {
        "erased at": receipt["erased_at"],
        "publications": len(receipt["publications"]),
        "rows of lists": sum(receipt["publications"].values()),
        "rows of quarantine": receipt["quarantine"],
        "run folders": receipt["looked_at"],
        "files written again": total("files"),
        "rows taken out": total("rows"),
        "models written again": total("models"),
        "reports written again": total("reports"),
        "leftovers deleted": total("leftovers"),
    }
    console.print_fields(f"Erased user {receipt['user_id']}", fields)
    for name, erased in runs.items():
        if erased.get("served") == "removed":
            print(f"{name}: the model for TensorFlow Serving was removed; clear `refit` to make it again")
        if not erased.get("finished", True):
            print(f"{name}: has not published; if it is running, erase again when it has ended")
        for file in erased.get("unknown", []):
            print(f"{name}: {file} was not looked into")
    print("Not touched:", *(f"  {place}" for place in receipt["not_touched"]), sep="\n")
