"""Reads `docker-compose.yml` as this machine can run it: with variables filled in, host names and paths swapped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from recommender_job.errors import ConfigurationError
from scripts.stack import settings

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yml"
#: Where the image keeps what is in the repository.
IMAGE_ROOT = "/opt/recommender"
LOCALHOST = "127.0.0.1"
_VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?:(:[-?])([^{}]*))?\})")


@dataclass(frozen=True)
class Service:
    """One service of the file, as it runs on this machine.

    Args:
        name: As in the file.
        command: Program and arguments; empty where the image's own is meant.
        environment: What the file and its `env_file` set for it. Holds secrets, and is therefore not shown.
        health: The command whose exit code 0 means healthy; empty where there is none.
        ports: The ports it listens on, each with the variable that sets it.
        needs: Services that must be healthy, or have ended well, before it starts; with that condition.
        folder: Working directory.
        folders: Folders of this machine that stand for the named volumes.
    """

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(repr=False)
    health: tuple[str, ...]
    ports: dict[int, str]
    needs: dict[str, str]
    folder: Path
    folders: tuple[Path, ...]


def services(values: Mapping[str, str], home: Path) -> dict[str, Service]:
    """The services of the file, in its order.

    Args:
        values: What `${…}` in the file means.
        home: Folder that holds the named volumes, each under its name.

    Raises:
        ConfigurationError: A variable that the file insists on has no value, or `env_file` cannot be used.
    """
    described = yaml.safe_load(FILE.read_text("utf-8"))["services"]
    return {name: _service(name, part, described, values, home) for name, part in described.items()}


def variables() -> list[str]:
    """The names of all variables that the file asks for."""
    return sorted({name for _, name, *_ in _VARIABLE.findall(FILE.read_text("utf-8")) if name})


def substitute(text: str, values: Mapping[str, str]) -> str:
    """Fills in `${NAME}`, `${NAME:-default}` and `${NAME:?message}` as compose does; `$$` is a dollar sign."""

    def value(match: re.Match[str]) -> str:
        dollar, name, operator, rest = match.groups()
        if dollar:
            return "$"
        if found := values.get(name):
            return found
        if operator == ":?":
            raise ConfigurationError(f"{name} {rest}.", action=f"Add a line {name}=… to .env.")
        return rest or ""

    return _VARIABLE.sub(value, text)


def _service(
    name: str, part: dict[str, Any], described: dict[str, Any], values: Mapping[str, str], home: Path
) -> Service:
    volumes = [substitute(volume, values).split(":") for volume in part.get("volumes", ())]
    named = {inside: home / outside for outside, inside, *_ in volumes if not outside.startswith((".", "/"))}
    bound = {inside: ROOT / outside for outside, inside, *_ in volumes if outside.startswith((".", "/"))}
    paths = {**named, **bound, IMAGE_ROOT: ROOT, "/var/lib/recommender": home}
    for outside, *_ in volumes:
        if "/" in outside and not outside.startswith((".", "/")):
            raise ConfigurationError(
                f"The folder {outside} begins with neither `/` nor `./`.", action="Correct SETTINGS_FOLDER in .env."
            )
    host = values.get("AIRFLOW_ADDRESS") or LOCALHOST
    if host not in (LOCALHOST, "0.0.0.0"):
        # Airflow listens on one address, and its own services look for it on that of this machine.
        raise ConfigurationError(
            f"Without Docker, AIRFLOW_ADDRESS cannot be {host}.",
            action=f"Set it to {LOCALHOST}, or to 0.0.0.0 for every address of this machine.",
        )

    def here(text: object) -> str:
        return _swap(substitute(str(text), values), paths, described, host)

    listed = [*part.get("ports", ()), *part.get("expose", ())]
    inner = [list(_VARIABLE.finditer(port))[-1] for port in listed]  # of address:outside:inside
    test = part.get("healthcheck", {}).get("test", ["NONE"])
    return Service(
        name=name,
        command=tuple(map(here, part.get("command", ()))),
        environment={**_settings(part, values), **{key: here(value) for key, value in part["environment"].items()}},
        health=tuple(map(here, test[1:])),
        ports={_port(substitute(port[0], values), port[2]): port[2] for port in inner},
        needs={other: how["condition"] for other, how in part.get("depends_on", {}).items()},
        folder=Path(here(part.get("working_dir", str(home)))),
        folders=tuple(named.values()),
    )


def _port(text: str, variable: str) -> int:
    if not (text.isdecimal() and 0 < int(text) < 65536):
        raise ConfigurationError(f"{variable} is {text!r}, which is no port.", action="Correct it in .env.")
    return int(text)


def _settings(part: dict[str, Any], values: Mapping[str, str]) -> dict[str, str]:
    """What a service's `env_file` says: as it stands, since it is written for where it is used."""
    if "env_file" not in part:
        return {}
    return settings.read(ROOT / substitute(part["env_file"], values), refused=part["environment"])


def _swap(text: str, paths: Mapping[str, Path], hosts: Mapping[str, Any], listen: str) -> str:
    """Names of other services and paths of the image become those of this machine."""
    if text == "0.0.0.0":
        # A container has addresses of its own. Only Airflow's pages are bound by this: its log servers, which ask for a
        # signed token, listen on every address of the machine.
        return listen
    for host in hosts:  # but not an account of the same name
        text = re.sub(rf"(//|@){re.escape(host)}(?=[:/])(?![^/]*@)", rf"\g<1>{LOCALHOST}", text)
    # The longest first: a volume inside another one is the nearer match.
    for inside in sorted(paths, key=len, reverse=True):
        text = re.sub(rf"^{re.escape(inside)}(?=/|$)", lambda _, path=paths[inside]: str(path), text)
    return text
