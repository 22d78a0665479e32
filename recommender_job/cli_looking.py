"""The commands that look at what a night has come to: `report`, `show` and `status`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recommender_job import console
from recommender_job.cli_options import Json, config_of, show_result, written

app = typer.Typer()


@app.command()
def report(
    run_id: Annotated[str | None, typer.Argument(help="Default: the run that is live.")] = None,
    html: Annotated[Path | None, typer.Option(help="Copy the run's HTML report, with plots, to this file.")] = None,
    json: Json = False,
) -> None:
    """Show a run's gate, figures and stages, also one that Airflow ran or that was blocked."""
    from recommender_job.nightly import report_html
    from recommender_job.nightly import result as work
    from recommender_job.publishing.publications import status as live
    from recommender_job.reporting.summary import night_lines
    from recommender_job.storage.database import Database

    config = config_of()
    which = run_id or live(Database.of(config))["run_id"]
    if html is not None:
        page = report_html(config, which)
        with written(html, "--html"):
            html.write_text(page, "utf-8")
        show_result(json, {"run_id": which, "file": str(html)}, lambda: print(f"report of run {which} in {html}"))
        return
    result = work(config, which)
    show_result(json, result, lambda: print("\n".join(night_lines(result))))


@app.command()
def show(
    user: Annotated[int, typer.Argument(help="User id.")],
    n: Annotated[int | None, typer.Option("-n", min=1, help="At most so many.")] = None,
    json: Json = False,
) -> None:
    """Show a user's list as the website reads it, best first."""
    from recommender_job.publishing.publications import lists_of
    from recommender_job.storage.database import Database

    result = lists_of(Database.of(config_of()), user, n)
    rows = [(r["rank"], r["experience_name"], r["predicted_rating"]) for r in result["recommendations"]]
    title = f"User {user} ({result['source']}, publication {result['publication_id']})"
    show_result(json, result, lambda: console.print_table(title, ["rank", "experience", "predicted rating"], rows))


@app.command()
def status(json: Json = False) -> None:
    """Show what is live and how fresh it is. Exit code 4: it is stale."""
    from recommender_job.publishing.publications import status as work
    from recommender_job.storage.database import Database

    result = work(Database.of(config_of()))
    show_result(json, result, lambda: console.print_fields("Live", result))
    if result["is_stale"]:
        raise typer.Exit(console.STALE)
