"""The command `recommender-job metrics`."""

from __future__ import annotations

import typer

from recommender_job.cli_options import Json, config_of, show_result

app = typer.Typer()


@app.command()
def metrics(json: Json = False) -> None:
    """Print freshness and the last night's figures, as Prometheus reads them."""
    from datetime import UTC, datetime

    from recommender_job.reporting.metrics import families
    from recommender_job.reporting.prometheus import render
    from recommender_job.storage.database import Database

    config = config_of()
    found = families(config, Database.of(config), datetime.now(UTC))
    samples = [
        {"name": family.name, "labels": dict(labels), "value": float(value)}
        for family in found
        for labels, value in family.samples
    ]
    show_result(json, {"samples": samples}, lambda: print(render(found), end=""))
