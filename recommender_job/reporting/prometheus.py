"""Figures as the text that Prometheus reads (exposition format 0.0.4), and a file of it that is whole at any moment."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recommender_job.errors import StorageFailed


@dataclass(frozen=True)
class Family:
    """One metric, a gauge, with a value for each set of labels.

    Args:
        name: In the base unit that it ends with, such as `_seconds`.
        about: One line for people.
        samples: Labels and value; none: the metric is left out.
    """

    name: str
    about: str
    samples: Sequence[tuple[Mapping[str, str], float]]


def render(families: Sequence[Family]) -> str:
    """The families as text; ends with a line break, and is empty where no family has a sample."""
    return "".join(line + "\n" for family in families if family.samples for line in _lines(family))


def write(text: str, folder: Path) -> Path:
    """Replaces `recommender.prom` in a folder; a reader sees the old text or the new one, never a part.

    Raises:
        StorageFailed: The folder cannot be written.
    """
    file = folder / "recommender.prom"
    # Only names that end in .prom are collected, so nobody reads the unfinished one.
    unfinished = folder / f".recommender.prom.{os.getpid()}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.write_text(text, "utf-8")
            unfinished.replace(file)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise StorageFailed(
            f"{file} cannot be written: {error.strerror or error}.",
            action="Free the disk, give the job's account the right to write there, or correct `metrics.textfile`.",
        ) from error
    return file


def _lines(family: Family) -> list[str]:
    about = family.about.replace("\\", r"\\").replace("\n", r"\n")
    head = [f"# HELP {family.name} {about}", f"# TYPE {family.name} gauge"]
    return head + [f"{family.name}{_labels(labels)} {_number(value)}" for labels, value in family.samples]


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(int(value)) if float(value).is_integer() else repr(float(value))
