"""Settings of one call, from the command line or the form of a DAG run, as a dictionary of sections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from recommender_job.errors import ConfigurationError


def nested_settings(overrides: Mapping[str, Any] | Iterable[str]) -> dict[str, Any]:
    """Overrides as a dictionary of sections; a later one wins over an earlier one of the same key.

    Raises:
        ConfigurationError: One is no assignment, is both a value and a section, or begins with `_`.
    """
    nested: dict[str, Any] = {}
    pairs = overrides.items() if isinstance(overrides, Mapping) else map(_split_assignment, overrides)
    for key, value in pairs:
        if key.startswith("_"):  # pydantic would take it as an order to itself, such as to read another file
            raise ConfigurationError(f"Unknown setting `{key}`.", action="Leave it out: no setting begins with `_`.")
        _put(nested, key.split("."), value, key)
    return nested


def _put(place: dict[str, Any], path: list[str], value: Any, key: str) -> None:
    *sections, last = path
    for section in sections:
        place = place.setdefault(section, {})
        if not isinstance(place, dict):
            raise ConfigurationError(f"`{section}` is a section, not a value.", action=f"Set `{key}` alone.")
    if isinstance(value, Mapping):  # a section as a whole, beside keys of it
        place.setdefault(last, {})
        for inner, one in value.items():
            _put(place, [last, str(inner)], one, f"{key}.{inner}")
    else:
        place[last] = value


def _split_assignment(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigurationError(f"`{text}` is not key=value.", action="Write for example --set gate.max_rmse=0.9.")
    return key.strip(), value.strip()
