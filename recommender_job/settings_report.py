"""Every setting with its value and where it comes from; secrets are masked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import BaseModel, SecretStr

from recommender_job.config import Config, load_config
from recommender_job.config_file import ConfigFile, config_file
from recommender_job.environment import Environment, known_keys, variable_that_sets
from recommender_job.overrides import nested_settings
from recommender_job.settings import PRESETS

_MASK = "**********"


def effective(overrides: Mapping[str, Any] | Iterable[str] = ()) -> dict[str, Any]:
    """The settings as the job takes them.

    Args:
        overrides: As `load_config` takes them.

    Returns:
        `file` (absolute path, None where there is none) and `settings`, in the order of the configuration, each with
        `key`, `value`, `default`, and `source`: `default`, `preset`, the file, the variable's name or `--set`. Secrets
        are masked.

    Raises:
        ConfigurationError: As `load_config`.
    """
    given = nested_settings(overrides)
    config, file = load_config(given), config_file()
    where: list[tuple[Mapping[str, Any], Callable[[str], str]]] = [
        (given, lambda key: "--set"),
        (Environment(Config)(), variable_that_sets),
        (ConfigFile(Config)(), lambda key: str(file)),
        ({"model": PRESETS[config.preset]}, lambda key: "preset"),
    ]
    settings = [
        {**one, "source": next((name(one["key"]) for values, name in where if _holds(values, one["key"])), "default")}
        for one in shown_settings(config)
    ]
    return {"file": str(file.absolute()) if file else None, "settings": settings}


def shown_settings(config: Config) -> list[dict[str, Any]]:
    """Every setting, in the order of the configuration: `key`, `value`, `default`. Secrets are masked."""
    keys = (known.removesuffix(".*") for known in known_keys(Config))
    return [{"key": key, "value": _shown(_at(config, key)), "default": _shown(default_of(key))} for key in keys]


def default_of(key: str) -> Any:
    """The default of a setting, in the form that the configuration has it."""
    model: type[BaseModel] = Config
    *sections, last = key.split(".")
    for section in sections:
        factory = model.model_fields[section].default_factory
        if not (isinstance(factory, type) and issubclass(factory, BaseModel)):
            raise TypeError(f"the section {section} of {key} has no model of its own")
        model = factory
    return model.model_fields[last].get_default(call_default_factory=True, validated_data={})


def as_text(value: Any) -> str:
    """A value as it is written in the environment; names only where it is a table."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple | dict):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def _holds(values: Mapping[str, Any], key: str) -> bool:
    """Whether a source gives a setting a value."""
    place: Any = values
    for part in key.split("."):
        if not isinstance(place, Mapping) or part not in place:
            return False
        place = place[part]
    return True


def _at(config: Config, key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = getattr(value, part)
    return value


def _shown(value: Any) -> Any:
    """A value as JSON takes it, without secrets."""
    if isinstance(value, SecretStr):
        return _MASK
    if isinstance(value, BaseModel):
        return {name: _shown(one) for name, one in value}
    if isinstance(value, dict):
        return {name: _shown(one) for name, one in value.items()}
    if isinstance(value, tuple):
        return [_shown(one) for one in value]
    if isinstance(value, bool | int | float) or value is None:
        return value
    # Greedily: a password that is not escaped may hold an `@` or a `/`.
    return re.sub(r"://\S*@", f"://{_MASK}@", str(value))
