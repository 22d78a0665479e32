"""What the report shows of the work itself: stages, drift of the source, settings and versions."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Any

from recommender_job.config import Config
from recommender_job.reporting.progress import Progress
from recommender_job.settings_report import as_text, shown_settings

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
#: Whatever it was set to, a night begins by deciding what it means there.
_DECIDED = "gate.when_blocked"
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
    return [
        {
            "name": one["key"],
            "value": as_text(one["value"]),
            "is_set": one["value"] != one["default"] and one["key"] != _DECIDED,
        }
        for one in shown_settings(config)
    ]


def versions() -> list[tuple[str, str]]:
    """Python and the packages that decide about the result, as they are installed here."""
    found = [("python", platform.python_version())]
    for package in _PACKAGES:
        try:
            found.append((package, metadata.version(package)))
        except metadata.PackageNotFoundError:
            found.append((package, "not installed"))
    return found
