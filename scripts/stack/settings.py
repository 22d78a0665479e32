"""The file `settings.env`: what the services are told beside what `docker-compose.yml` says, made on first use."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from recommender_job.errors import ConfigurationError
from scripts.stack.secrets import ROOT, parsed

NAME = "settings.env"
TEMPLATE = ROOT / "config" / "settings.env.example"
#: Beginnings of names that mean something in this file only.
_OURS = ("RECOMMENDER_", "AIRFLOW__", "AIRFLOW_CONN_", "AWS_")


def folder(values: Mapping[str, str]) -> Path:
    """The folder of settings, as compose finds it.

    Args:
        values: What `.env` and the environment say.
    """
    return ROOT / (values.get("SETTINGS_FOLDER") or "config")


def ensure(values: Mapping[str, str]) -> bool:
    """Writes the file, with everything in it commented out, unless it is there.

    Returns:
        Whether it was written.

    Raises:
        ConfigurationError: There is no such folder.
    """
    file = folder(values) / NAME
    try:
        # Owner only from the first byte: people will write passwords into it.
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    except FileNotFoundError:
        raise ConfigurationError(
            f"There is no folder {file.parent}.", action="Make it, or set SETTINGS_FOLDER in .env to another one."
        ) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as target:
        target.write(TEMPLATE.read_text("utf-8"))
    return True


def read(file: Path, refused: Iterable[str] = ()) -> dict[str, str]:
    """What the file sets, as every version of compose reads it.

    Args:
        file: The file.
        refused: Names that `docker-compose.yml` sets, which go before this file.

    Raises:
        ConfigurationError: There is no such file, a line is not NAME=value, its value is one that versions of compose
            read differently, or would have no effect. Names the line's name, never its value.
    """
    if not file.exists():
        raise ConfigurationError(f"There is no {file}.", action="Run `make up` or `make up-local`, which write it.")
    values = parsed(file)
    for name, value in values.items():
        if value.startswith(("'", '"', "#")) or " #" in value or "$" in value or "\\" in value:
            raise ConfigurationError(
                f"{name} in {file} has a quote in front, a `$`, a backslash or a ` #`.",
                action="Write the value without them; in an address as %24, %5C and %23.",
            )
    for name in sorted(values.keys() & set(refused)):
        raise ConfigurationError(
            f"{name} in {file} has no effect: docker-compose.yml sets it.",
            action="Remove that line; `.env.example` lists what can be set in .env.",
        )
    return values


def refuse_misplaced(values: Mapping[str, str], env_file: Path) -> None:
    """Refuses settings in the file of secrets, which tells no service of them.

    Args:
        values: What `.env` and the environment say.
        env_file: The former, to be named.

    Raises:
        ConfigurationError: There is one; names it.
    """
    for name in values:
        if name.startswith(_OURS):
            raise ConfigurationError(
                f"{name} in {env_file} has no effect.", action=f"Move that line to {folder(values) / NAME}."
            )
