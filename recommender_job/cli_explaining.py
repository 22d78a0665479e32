"""The command `recommender-job why`."""

from __future__ import annotations

from typing import Annotated

import typer

from recommender_job import console
from recommender_job.cli_options import Json, config_of, show_result

app = typer.Typer()


@app.command()
def why(
    user: Annotated[int, typer.Argument(help="User id.")],
    experience: Annotated[int | None, typer.Argument(help="Experience id; without it, the whole list.")] = None,
    json: Json = False,
) -> None:
    """Explain a user's list, or where one experience was dropped or why it ranks where it does."""
    from recommender_job.explaining.why import why as work
    from recommender_job.nightly import FINAL
    from recommender_job.storage.database import Database

    config = config_of()
    result = work(config, Database.of(config), user, experience, FINAL)

    def people() -> None:
        steps = [(step["stage"], "yes" if step["passed"] else "NO", step["told"]) for step in result["steps"]]
        about = f"experience {experience} for user {user}" if experience is not None else f"the list of user {user}"
        console.print_table(f"{about}, run {result['run_id']}", ["stage", "passed", ""], steps)
        if rows := result.get("list"):
            columns = ["rank", "experience_id", "experience_name", "predicted_rating", "pick_place", "predicted_place"]
            table = [[row.get(column) for column in columns] for row in rows]
            console.print_table("As the website shows it", columns, table)
        print(result["verdict"])

    show_result(json, result, people)
