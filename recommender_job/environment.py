"""Settings from the environment, strictly: a name that is no setting is an error with the nearest one."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_settings import EnvSettingsSource

ENV_PREFIX = "RECOMMENDER_"
#: Names the file with the settings; no setting itself, for it says where settings are.
FILE_VARIABLE = f"{ENV_PREFIX}CONFIG"


class Environment(EnvSettingsSource):
    """Environment variables; what is no JSON, where JSON is asked for, is left to the setting's own validation."""

    def decode_complex_value(self, field_name: str, field: Any, value: Any) -> Any:
        """JSON where it is JSON; anything else is for the field's own validation."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


def unknown_variables(model: type[BaseModel]) -> dict[str, str]:
    """Variables `RECOMMENDER_…` that name no setting, each with the key that it would have."""
    known = set(known_keys(model))
    tops = {key.split(".")[0] for key in known}
    found = {
        name: _key_of(name) for name in sorted(os.environ) if name.startswith(ENV_PREFIX) and name != FILE_VARIABLE
    }
    return {
        name: key
        for name, key in found.items()
        if key not in tops and not any(_names(pattern, key) for pattern in known)
    }


def variable_of(key: str) -> str:
    """The environment variable of a setting."""
    return ENV_PREFIX + key.replace(".", "__").upper()


def variable_that_sets(key: str) -> str:
    """The variable in the environment that gives a setting its value: its own one, or that of a section around it."""
    parts = key.split(".")
    given = {name.upper(): name for name in os.environ}
    own = [variable_of(".".join(parts[:length])) for length in range(len(parts), 0, -1)]
    return next((given[name] for name in own if name in given), own[0])


def known_keys(model: type[BaseModel]) -> Iterable[str]:
    """Every setting by its full name, sections and keys joined by dots; `.*` stands for keys of the user's own."""
    for name, field in model.model_fields.items():
        kinds = [field.annotation, *get_args(field.annotation)]
        if get_origin(field.annotation) is dict:
            yield f"{name}.*"
            continue
        sections = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if not sections:
            yield name
        for section in sections:
            yield from (f"{name}.{inner}" for inner in known_keys(section))


def suggest(key: str, known: set[str]) -> str:
    """What to do about a key that is no setting: the nearest one, if any is near."""
    # Compared without the section too, so that `max_rmse` finds `gate.max_rmse`.
    tails = {name.rsplit(".", 1)[-1]: name for name in known}
    near = difflib.get_close_matches(key, [*known, *tails], n=1, cutoff=0.5)
    return f"Did you mean `{tails.get(near[0], near[0])}`?" if near else "See the settings in docs/configuration.md."


def _key_of(name: str) -> str:
    return name.removeprefix(ENV_PREFIX).lower().replace("__", ".")


def _names(pattern: str, key: str) -> bool:
    section = pattern.removesuffix(".*")
    return key == section or (section != pattern and key.startswith(f"{section}."))
