"""What PostgreSQL says of how it ran a statement."""

from __future__ import annotations

from typing import Any


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """A plan's node and all below it."""
    return [plan, *(inner for child in plan.get("Plans", []) for inner in nodes(child))]
