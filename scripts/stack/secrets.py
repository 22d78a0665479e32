"""The file `.env`: every secret of the stack, made on first use, never written again and never shown."""

from __future__ import annotations

import base64
import os
import re
import secrets
from pathlib import Path

from recommender_job.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / ".env.example"
#: Only workers need it: a file of before there were any does without.
OPTIONAL = ("REDIS_PASSWORD",)
#: Some stand in URLs, and compose would take a `$` for a variable.
_SAFE = re.compile(r"[A-Za-z0-9_=-]+")


def ensure(file: Path) -> bool:
    """Writes the file with a random value for each empty name of the template, unless it is there.

    Returns:
        Whether it was written.

    Raises:
        ConfigurationError: The file is there, but lacks a secret.
    """
    try:
        # Owner only from the first byte, and never over somebody's secrets.
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        read(file)
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as target:
        target.writelines(
            line + (fresh() if line.endswith("=") else "") + "\n" for line in TEMPLATE.read_text("utf-8").splitlines()
        )
    return True


def read(file: Path) -> dict[str, str]:
    """What the file sets.

    Raises:
        ConfigurationError: There is no such file, a line is not NAME=value, or a secret is missing or has a character
            that a URL would not take. Names the line or the secret, never its value.
    """
    if not file.exists():
        raise ConfigurationError(f"There is no {file}.", action="Run `make up` or `make up-local`, which write it.")
    file.chmod(0o600)  # also where it was written by hand
    values = parsed(file)
    for name in names():
        if not values.get(name):
            if name in OPTIONAL:
                continue
            raise ConfigurationError(
                f"{file} has no value for {name}.",
                action=f"Add a line {name}=…; for a new value: `python -m scripts.stack secret`.",
            )
        if not _SAFE.fullmatch(values[name]):
            raise ConfigurationError(
                f"{name} in {file} has a character other than letters, digits, `-`, `_` and `=`.",
                action="Write another value. Accounts take it over at the next start; the superuser's password you"
                " change in PostgreSQL first.",
            )
    return values


def names() -> list[str]:
    """The secrets: every name that the template leaves empty."""
    return [name for name, value in parsed(TEMPLATE).items() if not value]


def fresh() -> str:
    """A random value: 32 bytes, which Airflow's encryption asks for, in letters that a URL takes."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def parsed(file: Path) -> dict[str, str]:
    """The lines of a file that set something.

    Raises:
        ConfigurationError: One is not NAME=value; names its number.
    """
    values = {}
    for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            name, equals, value = line.partition("=")
            if not equals or not name.strip().isidentifier():
                raise ConfigurationError(f"Line {number} of {file} is not NAME=value.", action="Correct that line.")
            values[name.strip()] = value.strip()
    return values
