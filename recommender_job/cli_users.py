"""The commands on one user: `recommender-job why` and `erase`."""

from __future__ import annotations

import typer

app = typer.Typer()
