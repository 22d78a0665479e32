"""Settings from the environment, strictly: a name that is no setting is an error with the nearest one."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_settings import EnvSettingsSource

from recommender_job.errors import ConfigurationError

ENV_PREFIX = "RECOMMENDER_"


class StrictEnvironment(EnvSettingsSource):
    """Environment variables, where a misspelt `RECOMMENDER_…` is an error instead of being ignored."""

    def decode_complex_value(self, field_name: str, field: Any, value: Any) -> Any:
        """JSON where it is JSON; anything else is for the field's own validation."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value

    def __call__(self) -> dict[str, Any]:
        """The settings that the environment holds.

        Raises:
            ConfigurationError: A variable names no setting.
        """
        known = set(known_keys(self.settings_cls))
        tops = {key.split(".")[0] for key in known}
        for name in os.environ:
            if name.startswith(ENV_PREFIX):
                key = name.removeprefix(ENV_PREFIX).lower().replace("__", ".")
                if key not in tops and not any(_names(pattern, key) for pattern in known):
                    raise ConfigurationError(
                        f"Environment variable {name} names no setting.", action=suggest(key, known)
                    )
        return super().__call__()


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


def _names(pattern: str, key: str) -> bool:
    section = pattern.removesuffix(".*")
    return key == section or (section != pattern and key.startswith(f"{section}."))


def suggest(key: str, known: set[str]) -> str:
    """What to do about a key that is no setting: the nearest one, if any is near."""
    # Compared without the section too, so that `max_rmse` finds `gate.max_rmse`.
    tails = {name.rsplit(".", 1)[-1]: name for name in known}
    near = difflib.get_close_matches(key, [*known, *tails], n=1, cutoff=0.5)
    return (
        f"Did you mean `{tails.get(near[0], near[0])}`?"
        if near
        else "See the settings in recommender_job/config.py and settings.py."
    )
