"""Writes docs/configuration.md from the settings themselves, so that the page cannot say anything else."""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types as bounds
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from recommender_job.config import Config
from recommender_job.environment import variable_of
from recommender_job.settings import Candidate
from recommender_job.settings_report import as_text

PAGE = Path(__file__).resolve().parents[1] / "docs" / "configuration.md"

_INTRODUCTION = """\
# Configuration

<!-- Written by `make docs-configuration` from the settings in recommender_job; do not edit. -->

Every setting, with what it takes and what it is when nobody sets it. Later sources win:

1. the defaults below;
2. `preset`, which sets keys of `model`;
3. `recommender.toml` in the working directory, or the file that the variable `RECOMMENDER_CONFIG` names;
4. variables: `RECOMMENDER_` and the key in capitals, with two underscores between levels;
5. `--set key=value` on the command line, or *Other settings* in the form of a run in Airflow: `{"gate.max_rmse": 0.9}`.

An unknown key is refused, with the nearest one that there is; so is a value out of bounds. A run in Airflow that was
started with a wrong form fails at its first task. To look before the night does:

    recommender-job config check           # ok, or everything that is wrong
    recommender-job config show            # every setting, and where it comes from
    recommender-job config show --changed  # only what is not left at its default

Neither needs the database. A list is written `32,16` in a variable and with `--set`, `[32, 16]` in the file; an empty
text is "none" where a setting can be none, and an empty list. The same settings in the three ways:

```toml
top_n = 12

[gate]
max_rmse = 0.9

[selection.candidates.mine]  # candidates of your own replace the list
model = { embedding_dimension = 48, hidden_layers = [32] }
```

    export RECOMMENDER_TOP_N=12 RECOMMENDER_GATE__MAX_RMSE=0.9
    recommender-job run --set top_n=12 --set gate.max_rmse=0.9
"""


def page() -> str:
    """The page as Markdown."""
    sections = [_section("", Config)]
    for name, field in Config.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            sections.append(_section(name, field.annotation))
            if name == "selection":
                sections.append(_section("selection.candidates.NAME", Candidate))
    return "\n".join([_INTRODUCTION, *sections])


def _section(prefix: str, model: type[BaseModel]) -> str:
    title = f"`{prefix}`" if prefix else "Not in a section"
    about = "" if model is Config else f"{(model.__doc__ or '').strip()}\n\n"
    header = "| setting | default | takes | meaning |\n| --- | --- | --- | --- |\n"
    rows = [
        f"| `{name}`<br>`{variable_of(f'{prefix}.{name}'.strip('.'))}` | {_default(field)} | {kind} |"
        f" {(field.description or '').replace('|', chr(92) + '|')} |"
        for name, field in model.model_fields.items()
        if (kind := _kind(field))
    ]
    return f"## {title}\n\n{about}{header}" + "\n".join(rows) + "\n"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True, validated_data={})
    text = as_text(value)
    return text if text in ("-", "none") else ", ".join(f"`{part}`" for part in text.split(", "))


def _kind(field: FieldInfo) -> str:
    """Type and bounds for people; empty for a section, which has a table of its own."""
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
        return "a section like `model`" if field.is_required() else ""
    none = ["or none"] if types.NoneType in get_args(field.annotation) else []
    return ", ".join([_type(field.annotation), *_bounds(field.metadata), *none])


def _type(kind: Any) -> str:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return ", ".join([_type(inner[0]), *_bounds([part for one in inner[1:] for part in _parts(one)])])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(_type(one) for one in inner if one is not types.NoneType)
    if origin is tuple:
        return f"a list; each {_type(inner[0])}"
    if origin is dict:
        return "sections by name"
    names = {int: "whole number", float: "number", bool: "`true` or `false`", str: "text", Path: "path"}
    return "text, kept secret" if kind is SecretStr else names[kind]


def _parts(metadata: Any) -> list[Any]:
    return metadata.metadata if isinstance(metadata, FieldInfo) else [metadata]


def _bounds(metadata: list[Any]) -> Iterator[str]:
    for bound in metadata:
        if isinstance(bound, bounds.Ge):
            yield f"at least {bound.ge:,}"
        elif isinstance(bound, bounds.Gt):
            yield f"above {bound.gt:,}"
        elif isinstance(bound, bounds.Le):
            yield f"at most {bound.le:,}"
        elif isinstance(bound, bounds.Lt):
            yield f"below {bound.lt:,}"
        elif isinstance(bound, bounds.MinLen):
            yield f"{bound.min_length} or more"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
