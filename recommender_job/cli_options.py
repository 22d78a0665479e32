"""What the commands share: their options, and how they read settings and print results."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from recommender_job import console
from recommender_job.config import Config, load_config
from recommender_job.errors import ConfigurationError

T = TypeVar("T")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting, such as gate.max_rmse=0.9.")
]
DatabaseName = Annotated[
    str | None, typer.Option(help="Another database of the embedded server, made if it is missing.")
]
User = Annotated[str | None, typer.Option(help="Header of the user column; common names are recognised.")]
Experience = Annotated[str | None, typer.Option(help="Header of the experience column.")]
Rating = Annotated[str | None, typer.Option(help="Header of the rating column.")]
RatedAt = Annotated[str | None, typer.Option(help="Header of the column with the time of the rating.")]
DateFormat = Annotated[str | None, typer.Option(help="strptime format of the times, such as %d/%m/%Y.")]
Timezone = Annotated[str | None, typer.Option(help="IANA zone of times without one; default: the setting `timezone`.")]
Delimiter = Annotated[str, typer.Option(help="Separator of the fields; \\t for a tab.")]
Encoding = Annotated[str, typer.Option(help="Text encoding of the file.")]


def config_of(settings: list[str] | None = None) -> Config:
    """The configuration with the settings of the call."""
    return parsed(load_config, settings or ())


def parsed(parse: Callable[..., T], *given: Any) -> T:
    """What the caller typed, parsed; when that fails, the call was wrong."""
    try:
        return parse(*given)
    except ConfigurationError as error:
        console.usage_error(error, as_json=json_asked())


def json_asked() -> bool:
    """Whether this call is to print JSON; also where it has not come as far as its options."""
    return "--json" in sys.argv


def show_result(json: bool, result: dict[str, Any], people: Callable[[], None]) -> None:
    """Prints a result as one JSON object, or as people like it."""
    if json:
        console.print_json(result)
    else:
        people()


@contextlib.contextmanager
def written(file: Path, option: str) -> Iterator[None]:
    """Writes a file that the caller named; when that fails, the call was wrong."""
    try:
        yield
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be written: {error.strerror}", param_hint=option) from error


def needs_folder(file: Path | None, option: str) -> None:
    """Refuses a file whose folder is not there before the work begins, not after it."""
    if file is not None and not file.parent.is_dir():
        raise typer.BadParameter(f"{file} cannot be written: there is no folder {file.parent}", param_hint=option)


def separator(text: str) -> str:
    """The delimiter that was asked for; `\\t` is a tab."""
    character = text.replace("\\t", "\t")
    if len(character) != 1:
        raise typer.BadParameter("--delimiter takes one character, or \\t for a tab.")
    return character
