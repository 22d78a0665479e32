"""What the command line shows: one JSON object for machines, or tables and progress for people."""

from __future__ import annotations

import json
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from recommender_job.errors import GateBlocked, RecommenderError, in_short

DONE, FAILED, USAGE, BLOCKED, STALE = 0, 1, 2, 3, 4


def print_json(value: Any) -> None:
    """Prints one JSON object; moments as ISO 8601, NaN as null."""
    print(json.dumps(_plain(value), default=str, ensure_ascii=False))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Prints a table for people."""
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(shown(cell) for cell in row))
    console = Console()
    console.print(title, markup=False, highlight=False)
    console.print(table)


def print_fields(title: str, fields: dict[str, Any]) -> None:
    """Prints names and values for people."""
    print_table(title, ["", ""], list(fields.items()))


def shown(value: Any) -> str:
    """A value as a person would write it."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if hasattr(value, "strftime"):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    return str(value)


def report_failure(error: RecommenderError, *, as_json: bool) -> int:
    """Prints one line on stderr (and with `as_json` one object on stdout).

    Returns:
        The exit code.
    """
    blocked = isinstance(error, GateBlocked)
    if as_json:
        told = {"type": type(error).__name__, "cause": error.cause, "action": error.action, "runbook": error.runbook}
        print_json({**(error.figures if isinstance(error, GateBlocked) else {}), "error": told})
    print(" ".join(str(error).split()), file=sys.stderr)
    return BLOCKED if blocked else FAILED


def report_defect(error: Exception, *, as_json: bool) -> int:
    """Prints one line about an error that should not exist, and keeps the traceback in a file."""
    with tempfile.NamedTemporaryFile("w", prefix="recommender-job-", suffix=".log", delete=False) as log:
        traceback.print_exception(error, file=log)
    line = f"{type(error).__name__}: {in_short(error)} (a defect of the job; details in {log.name})"
    if as_json:
        print_json({"error": {"type": type(error).__name__, "cause": in_short(error), "action": f"Report {log.name}."}})
    print(line, file=sys.stderr)
    return FAILED


def usage_error(error: RecommenderError, *, as_json: bool) -> NoReturn:
    """Ends with the exit code of a wrong call, and tells it as `report_failure` does."""
    report_failure(error, as_json=as_json)
    raise SystemExit(USAGE)


@contextmanager
def progress(enabled: bool) -> Iterator[Any]:
    """A rich progress display on stderr; with `enabled` false it shows nothing but takes the same calls."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not enabled) as display:
        yield display


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and value != value:
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value
