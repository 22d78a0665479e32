"""The commands `recommender-job quarantine …`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from recommender_job import console
from recommender_job.cli_options import Json, config_of, show_result

app = typer.Typer(help="Ratings that were refused.", no_args_is_help=True)

Origin = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Only this origin: a run id, or `import` and the file's name.")
]

#: Characters of a refused line that a table shows; --json shows all.
_SHOWN = 200


@app.command("list")
def list_refused(
    origin: Origin = None,
    reason: Annotated[str | None, typer.Option(help="Only columns and reasons that hold this text.")] = None,
    rows: Annotated[bool, typer.Option("--rows", help="Show the rows themselves, with their ids.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the latest first.")] = 50,
    json: Json = False,
) -> None:
    """Show what was refused and why: by origin, column and reason, or row by row."""
    from recommender_job.ratings.quarantine import reasons, refused_rows
    from recommender_job.storage.database import Database

    database = Database.of(config_of())
    if rows:
        found = refused_rows(database, origin=origin, reason=reason, limit=limit)
        title, names = "Refused rows", ["quarantine_id", "origin", "line", "column_name", "reason", "content"]
    else:
        found = reasons(database, origin=origin, reason=reason, limit=limit)
        title, names = "Refused", ["origin", "column_name", "reason", "count", "last_refused_at"]
    table = [[_short(row[name]) for name in names] for row in found]
    show_result(
        json, {"rows" if rows else "reasons": found}, lambda: console.print_table(title, [*map(_heading, names)], table)
    )


@app.command()
def replay(
    origin: Origin = None,
    date_format: Annotated[
        str | None, typer.Option(help="strptime format of the files' times, if they were read by a wrong one.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="IANA zone of the files' times, if they were read in a wrong one.")
    ] = None,
    json: Json = False,
) -> None:
    """Judge refused rows once more, by today's settings and source, and let in those that are usable now.

    Lines of imported files are imported. Rows of nights only leave the quarantine: the next night uses them. Lines in
    another text encoding cannot be read again; import the file again with --encoding.
    """
    from recommender_job.ratings.replay import replay as work
    from recommender_job.storage.database import Database

    config = config_of()
    result = work(
        config,
        Database.of(config),
        now=datetime.now(UTC),
        origin=origin,
        date_format=date_format,
        timezone=timezone,
    )
    show_result(json, result, lambda: print("\n".join(_told(result))))


@app.command()
def drop(
    origin: Origin = None,
    older_than: Annotated[
        float | None, typer.Option(min=0, metavar="DAYS", help="Only rows that were refused so many days ago.")
    ] = None,
    id: Annotated[list[int] | None, typer.Option(help="Only this row; may be given several times.")] = None,
    all: Annotated[bool, typer.Option("--all", help="All rows.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Delete refused rows for good. Several restrictions narrow each other."""
    from recommender_job.ratings.quarantine import count
    from recommender_job.ratings.quarantine import drop as work
    from recommender_job.storage.database import Database

    restricted = any(given is not None for given in (origin, older_than, id))
    if restricted == all:
        raise typer.BadParameter("give --origin, --older-than or --id, or else --all.")
    database = Database.of(config_of())
    chosen: dict[str, Any] = {"origin": origin, "older_than": older_than, "ids": id}
    sure = yes or typer.confirm(f"Delete {count(database, **chosen):,} refused rows for good?", err=True)
    dropped = work(database, **chosen) if sure else 0
    show_result(json, {"dropped": dropped}, lambda: print(f"{dropped:,} rows deleted"))


def _heading(name: str) -> str:
    return name.removeprefix("quarantine_").replace("_name", "").replace("_", " ")


def _short(value: Any) -> Any:
    return value if not isinstance(value, str) or len(value) <= _SHOWN else f"{value[:_SHOWN]}…"


def _told(result: dict[str, Any]) -> list[str]:
    lines = [
        f"{file['origin']}: {file['imported']:,} of {file['read']:,} lines imported, {file['known']:,} were there"
        f" already, {file['refused']:,} are still refused"
        for file in result["files"]
    ]
    lines += [
        f"{file['origin']}: {file['not_repeatable']:,} lines hold what the database cannot store; mend the file or name"
        " its encoding, and import it again"
        for file in result["files"]
        if file["not_repeatable"]
    ]
    lines += [
        f"{origin}: how it was read is not known; import the file again (recommender-job import-ratings)"
        for origin in result["unknown"]
    ]
    nights = result["nights"]
    if nights["judged"]:
        lines.append(
            f"nights: {nights['accepted']:,} of {nights['judged']:,} rows are usable now, the next night uses them;"
            f" {nights['refused']:,} are still refused"
        )
    return lines or ["nothing in the quarantine"]
