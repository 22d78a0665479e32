"""Where the readable SQL lies: beside the package in a checkout, inside it once installed."""

from __future__ import annotations

from pathlib import Path


def sql_folder() -> Path:
    """The folder with `migrations/` and `source/`."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "sql"
    return inside if inside.is_dir() else package.parent / "sql"
