"""The command line `recommender-job`. Each command loads what it needs when it runs, so that `--help` is quick."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from recommender_job import (
    cli_config,
    cli_database,
    cli_erasing,
    cli_explaining,
    cli_looking,
    cli_metrics,
    cli_publications,
    cli_quarantine,
    console,
)
from recommender_job.cli_options import (
    DateFormat,
    Delimiter,
    Encoding,
    Experience,
    Json,
    RatedAt,
    Rating,
    Settings,
    Timezone,
    User,
    config_of,
    json_asked,
    needs_folder,
    parsed,
    separator,
    show_result,
    written,
)
from recommender_job.errors import RecommenderError

app = typer.Typer(
    help="Nightly recommendations: ratings in PostgreSQL to the lists a website reads.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(cli_looking.app)
app.add_typer(cli_config.app, name="config")
app.add_typer(cli_database.app, name="db")
app.add_typer(cli_publications.app, name="publications")
app.add_typer(cli_quarantine.app, name="quarantine")
app.add_typer(cli_explaining.app)
app.add_typer(cli_erasing.app)
app.add_typer(cli_metrics.app)


@app.command()
def migrate(json: Json = False) -> None:
    """Bring the database's schema up to date; running it again changes nothing."""
    from recommender_job.storage.database import Database
    from recommender_job.storage.schema import migrate as work

    result = work(Database.of(config_of()))
    show_result(json, result, lambda: print(f"schema at revision {result['revision']}"))


@app.command()
def import_ratings(
    file: Annotated[Path, typer.Argument(help="CSV file, one rating a line.")],
    user: User = None,
    experience: Experience = None,
    rating: Rating = None,
    rated_at: RatedAt = None,
    date_format: DateFormat = None,
    timezone: Timezone = None,
    delimiter: Delimiter = ",",
    encoding: Encoding = "utf-8",
    json: Json = False,
) -> None:
    """Load ratings into the sample source schema; lines that cannot be read are kept with their reason."""
    from recommender_job.ratings.columns import Columns
    from recommender_job.ratings.importer import import_ratings as work
    from recommender_job.storage.database import Database
    from recommender_job.storage.schema import check_current

    config = config_of()
    zone = timezone or config.timezone
    columns = Columns(user, experience, rating, rated_at, date_format, zone, separator(delimiter), encoding)
    database = Database.of(config)
    check_current(database)
    with console.progress(not json) as display:
        task = display.add_task(f"reading {file.name}", total=None)
        result = work(
            database,
            file,
            columns,
            now=datetime.now(UTC),
            scale=(config.rating_min, config.rating_max),
            progress=lambda lines: display.update(task, description=f"read {lines:,} lines"),
        )
    show_result(json, result, lambda: console.print_fields(f"Imported {file}", result))


@app.command()
def sample_ratings(
    file: Annotated[Path, typer.Argument(help="CSV file to write.")],
    users: Annotated[int, typer.Option(min=1, help="Number of users.")] = 2400,
    experiences: Annotated[int, typer.Option(min=1, help="Number of experiences.")] = 240,
    seed: Annotated[int, typer.Option(help="Same seed, same file.")] = 1,
    json: Json = False,
) -> None:
    """Write a made-up ratings file, to try the job without one of your own."""
    from recommender_job.ratings.sample import sample_ratings as work

    rows = work(users, experiences, seed)
    with written(file, "FILE"):
        rows.to_csv(file, index=False)
    show_result(json, {"file": str(file), "rows": len(rows)}, lambda: print(f"{len(rows):,} made-up ratings in {file}"))


@app.command()
def run(
    as_of: Annotated[str | None, typer.Option(metavar="TIME", help="Cutoff; ISO 8601. Default: now.")] = None,
    settings: Settings = None,
    json: Json = False,
) -> None:
    """Run the whole night here, without Airflow. Exit code 3: the gate blocked."""
    from recommender_job import nightly
    from recommender_job.reporting.summary import night_lines
    from recommender_job.runs import Run, moment

    config = config_of(settings)
    night = Run.at(parsed(moment, as_of, config.timezone) if as_of else datetime.now(UTC))
    with console.progress(not json) as display:
        tasks: dict[str, Any] = {}

        def report(stage: str, summary: dict[str, Any] | None) -> None:
            if summary is None:
                tasks[stage] = display.add_task(stage, total=None)
            else:
                display.update(tasks[stage], total=1, completed=1)

        result = nightly.run_night(config, night, report=report)
    show_result(json, result, lambda: print("\n".join(night_lines(result))))


@app.command()
def backtest(
    train: Annotated[Path, typer.Option(help="CSV file to train on.")],
    test: Annotated[Path, typer.Option(help="CSV file to predict.")],
    user: User = None,
    experience: Experience = None,
    rating: Rating = None,
    rated_at: RatedAt = None,
    date_format: DateFormat = None,
    timezone: Timezone = None,
    delimiter: Delimiter = ",",
    encoding: Encoding = "utf-8",
    predictions: Annotated[Path | None, typer.Option(help="Write every predicted pair to this Parquet file.")] = None,
    lists: Annotated[Path | None, typer.Option(help="Write the top-N lists to this Parquet file.")] = None,
    settings: Settings = None,
    json: Json = False,
) -> None:
    """Train on one file, predict another, and print how well that went. Needs no database."""
    from recommender_job.backtest import backtest as work
    from recommender_job.ratings.columns import Columns
    from recommender_job.reporting.summary import backtest_lines

    config = config_of(settings)
    zone = timezone or config.timezone
    columns = Columns(user, experience, rating, rated_at, date_format, zone, separator(delimiter), encoding)
    needs_folder(predictions, "--predictions")
    needs_folder(lists, "--lists")
    with console.progress(not json) as display:
        task = display.add_task("training", total=config.model.epochs)
        result = work(config, train, test, columns, lambda epoch, epochs: display.update(task, completed=epoch))
    show_result(json, result.figures, lambda: print("\n".join(backtest_lines(result.figures))))
    for option, file, frame in (
        ("--predictions", predictions, result.predictions),
        ("--lists", lists, result.lists),
    ):
        if file is not None:
            with written(file, option):
                frame.to_parquet(file, index=False)


def main() -> None:
    """Entry point: turns errors into one line on stderr and an exit code."""
    as_json = json_asked()
    _quiet_logs()
    try:
        app()
    except RecommenderError as error:
        sys.exit(console.report_failure(error, as_json=as_json))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # the last place where an error can still become a line a person can read
        sys.exit(console.report_defect(error, as_json=as_json))


def _quiet_logs() -> None:
    import logging

    import structlog

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


if __name__ == "__main__":
    main()
