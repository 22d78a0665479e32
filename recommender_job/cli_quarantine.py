"""The commands `recommender-job quarantine …`."""

from __future__ import annotations

import typer

app = typer.Typer(help="Ratings that were refused.", no_args_is_help=True)
