"""What is wrong with the settings, all of it, each with its key, its bound and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from recommender_job.environment import known_keys, suggest, unknown_variables
from recommender_job.errors import ConfigurationError

#: URLs of which no part is shown: they may hold a password.
_URLS = ("database_url", "runs_url", "notify.webhook_url", "notify.runbook_url")


@dataclass(frozen=True)
class Problem:
    """One setting that is wrong.

    Args:
        key: Its full name.
        cause: What is wrong with it: the value, if that is no secret, and the bound that it breaks.
        action: What to do, with the nearest name where it is no setting.
    """

    key: str
    cause: str
    action: str


def unknown_in_environment(model: type[BaseModel]) -> list[Problem]:
    """A problem for each `RECOMMENDER_…` variable that names no setting."""
    known = set(known_keys(model))
    return [
        Problem(key, f"Environment variable {name} names no setting.", suggest(key, known))
        for name, key in unknown_variables(model).items()
    ]


def invalid(model: type[BaseModel], error: ValidationError) -> list[Problem]:
    """A problem for each value that the model refuses."""
    known = set(known_keys(model))
    return [_problem(details, known) for details in error.errors()]


def first_of(problems: Sequence[Problem]) -> ConfigurationError:
    """The error for some problems: it tells the first, and how to see the others."""
    first, *others = problems
    more = f" {len(others)} more: `recommender-job config check` lists them." if others else ""
    return ConfigurationError(first.cause, action=f"{first.action}{more}")


def _problem(details: Any, known: set[str]) -> Problem:
    key = ".".join(str(part) for part in details["loc"]) or "settings"
    if details["type"] == "extra_forbidden":
        return Problem(key, f"Unknown setting `{key}`.", suggest(key, known))
    if details["type"] == "model_type":
        inner = sorted(name for name in known if name.startswith(f"{key}."))
        example = f", such as `{inner[0]}`" if inner else ""
        return Problem(key, f"Setting `{key}` is a section, not a value.", f"Set a key in it{example}.")
    # Only a single value is shown: a whole section, or a URL, may hold a password.
    single = isinstance(details["input"], str | int | float) and key not in _URLS
    given = f" (given: {details['input']!r})" if single else ""
    return Problem(key, f"Setting `{key}`: {details['msg']}{given}.", f"Correct `{key}` and start again.")
