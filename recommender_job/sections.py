"""What the sections of the configuration share: how they are checked, and how values are written as text."""

from __future__ import annotations

from types import NoneType
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, model_validator


class Section(BaseModel):
    """Base of the sections: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _empty_is_none(cls, values: Any) -> Any:
        return empty_is_none(cls, values)


def empty_is_none(model: type[BaseModel], values: Any, *, but: str = "") -> Any:
    """Takes an empty text for "none", where a setting may be none: an empty variable, or `--set rules.max_per_group=`.

    Args:
        model: The section.
        values: What was given for it; anything but a dictionary is left as it is.
        but: A setting of which an empty text is a mistake.
    """
    if not isinstance(values, dict):
        return values
    optional = {name for name, field in model.model_fields.items() if NoneType in get_args(field.annotation)} - {but}
    return {key: None if value == "" and key in optional else value for key, value in values.items()}


def split_list(value: Any) -> Any:
    """`256,64`, or one number, as it is written in the environment and on the command line."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (value,)
    if isinstance(value, str):
        return tuple(part for part in value.strip("[]() ").split(",") if part.strip())
    return value
