"""The commands `recommender-job config …`; they need no database."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from recommender_job import console
from recommender_job.cli_options import Json, Settings, parsed, show_result

app = typer.Typer(help="The settings: what they are, and whether they are right.", no_args_is_help=True)


@app.command()
def show(
    changed: Annotated[bool, typer.Option("--changed", help="Only what is not left at its default.")] = False,
    settings: Settings = None,
    json: Json = False,
) -> None:
    """Show every setting with its value and where it comes from; secrets are masked."""
    from recommender_job.settings_report import as_text, effective

    result = parsed(effective, settings or ())
    if changed:
        result["settings"] = [one for one in result["settings"] if one["source"] != "default"]
    rows = [(one["key"], as_text(one["value"]), one["source"]) for one in result["settings"]]
    title = f"Settings, with those of {result['file']}" if result["file"] else "Settings, without a recommender.toml"
    show_result(json, result, lambda: console.print_table(title, ["setting", "value", "from"], rows))


@app.command()
def check(settings: Settings = None, json: Json = False) -> None:
    """Say whether the settings are right, or everything that is wrong. Exit code 2: something is."""
    from recommender_job.config import problems_of
    from recommender_job.config_file import config_file

    problems = parsed(problems_of, settings or ())
    result = {"ok": not problems, "problems": [asdict(problem) for problem in problems]}
    show_result(json, result, lambda: print(f"{config_file() or 'no recommender.toml'}: ok") if not problems else None)
    for problem in problems:
        print(f"{problem.cause} {problem.action}", file=sys.stderr)
    if problems:
        raise typer.Exit(console.USAGE)
