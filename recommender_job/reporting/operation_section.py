"""What the report shows of the work itself: stages, drift of the source, settings and versions."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib import metadata
from typing import Any

from recommender_job.config import Config
from recommender_job.reporting.progress import Progress

#: Counts of a summary that are shown, in words.
_COUNTS = {
    "extracted": "read",
    "deleted": "deleted",
    "snapshot": "in the snapshot",
    "pairs": "pairs",
    "rejected": "refused",
    "train": "to train on",
    "holdout": "held out",
    "n": "pairs evaluated",
    "epochs": "epochs",
    "users": "users",
    "experiences": "experiences",
    "opt_outs": "opt-outs",
    "rows": "rows",
    "default_rows": "rows by default",
    "distinct_lists": "different lists",
}
_DRIFT = {
    "source_rows": ("ratings at the source", "count"),
    "snapshot_rows": ("ratings in the snapshot", "count"),
    "new_users_share": ("new users", "share"),
    "new_experiences_share": ("new experiences", "share"),
    "psi": ("stability index of the ratings (PSI)", "index"),
}
_PACKAGES = (
    "recommender-job",
    "tensorflow",
    "tensorflow-recommenders",
    "tf-keras",
    "apache-airflow",
    "numpy",
    "pandas",
)


def stage_rows(progress: Progress) -> dict[str, Any]:
    """Each finished stage: seconds, share of the longest one, memory, counts; and the sums."""
    seconds = {name: summary.get("seconds", 0.0) for name, summary in progress.stages.items()}
    longest = max(seconds.values(), default=0.0)
    rows = [
        {
            "name": name,
            "seconds": seconds[name],
            "share": seconds[name] / longest if longest else 0.0,
            "peak_mb": summary.get("peak_mb"),
            "counts": [
                f"{summary[key]:,} {words}"
                for key, words in _COUNTS.items()
                if isinstance(summary.get(key), int) and not isinstance(summary.get(key), bool)
            ],
        }
        for name, summary in progress.stages.items()
    ]
    return {
        "rows": rows,
        "seconds": sum(seconds.values()),
        "peak_mb": max([row["peak_mb"] for row in rows if row["peak_mb"]], default=None),
    }


def drift_section(clean: dict[str, Any]) -> dict[str, Any]:
    """Tonight's ratings beside what recent nights lead to expect.

    Args:
        clean: Summary of the clean stage.
    """
    sanity = clean["sanity"]
    rows = [
        {"name": _DRIFT[key][0], "kind": _DRIFT[key][1], "is_out": _is_out(found), **found}
        for key, found in sanity["expected"].items()
    ]
    return {
        "rows": rows,
        "compared_with": sanity["compared_with"],
        "warnings": sanity["warnings"],
        "notes": sanity["notes"],
        "refused_share": sanity["figures"]["refused_share"],
        "refused": sorted(clean["reasons"].items(), key=lambda one: -one[1]),
    }


def _is_out(found: dict[str, float | None]) -> bool:
    value, low, high = found["value"] or 0.0, found["low"], found["high"]
    return (low is not None and value < low) or (high is not None and value > high)


def settings_rows(config: Config) -> list[dict[str, Any]]:
    """Every setting with its value and whether it is not the default; secrets as asterisks."""
    usual = dict(_flat(Config.model_construct().model_dump(mode="json")))
    return [
        {"name": name, "value": value, "is_set": usual.get(name, "") != value}
        for name, value in _flat(config.model_dump(mode="json"))
    ]


def _flat(values: dict[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        name = f"{before}{key}"
        if name == "selection.candidates":
            yield name, ", ".join(value)  # their names: their settings fill pages
        elif isinstance(value, dict) and value:
            yield from _flat(value, f"{name}.")
        else:
            yield name, _written(value)


def _written(value: Any) -> str:
    if value is None or value in ([], {}):
        return "-"
    if isinstance(value, list):
        return ", ".join(map(_written, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def versions() -> list[tuple[str, str]]:
    """Python and the packages that decide about the result, as they are installed here."""
    found = [("python", platform.python_version())]
    for package in _PACKAGES:
        try:
            found.append((package, metadata.version(package)))
        except metadata.PackageNotFoundError:
            found.append((package, "not installed"))
    return found
