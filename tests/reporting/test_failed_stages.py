"""What a stage that fails leaves in the run folder, that it goes, and that a night ends with a report in any case."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from recommender_job import nightly
from recommender_job.config import Config, load_config
from recommender_job.errors import LONGEST, NotPublished, SchemaMissing, SourceBroken, StorageFailed
from recommender_job.reporting import failed_stages
from recommender_job.reporting.failure import Links, Where, failure_text
from recommender_job.reporting.nights import nights
from recommender_job.stages import stage_named
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database
from tests.reporting.conftest import CUTOFF, SECOND


@pytest.fixture
def attempt(config: Config) -> Callable[[Exception | None], Any]:
    """Runs a stage that fails with an error, or does well."""

    def run(error: Exception | None) -> Any:
        @stage_named("train")
        def train(config: Config, run: Any, folder: RunFolder) -> dict[str, Any]:
            if error:
                raise error
            return {"rows": 3}

        return train(config, SECOND)

    return run


def kept(config: Config) -> dict[str, Any] | None:
    return failed_stages.failure_of(RunFolder(config.runs, "second"), "train")


def test_an_error_of_the_tree_is_kept_until_the_stage_begins_again(config: Config, attempt: Any) -> None:
    assert kept(config) is None
    with pytest.raises(StorageFailed):
        attempt(StorageFailed("disk full", action="Free it."))
    assert kept(config) == {
        "class": "StorageFailed",
        "cause": "disk full",
        "action": "Free it.",
        "runbook": "docs/runbook.md#storagefailed",
        "defect": False,
    }
    summary = attempt(None)
    assert kept(config) is None
    assert summary["rows"] == 3
    assert 10 < summary["peak_mb"] < 100_000  # MiB, of a process with pandas in it
    assert RunFolder(config.runs, "second").summary("train") == summary


def test_of_a_defect_the_class_and_the_first_line_are_kept(config: Config, attempt: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        attempt(ZeroDivisionError("a line\nand the rest"))
    found = kept(config)
    assert found
    assert (found["class"], found["cause"], found["defect"]) == ("ZeroDivisionError", "a line", True)
    with pytest.raises(KeyError):
        attempt(KeyError())
    assert (kept(config) or {})["cause"] == ""
    with pytest.raises(ValueError, match="x"):
        attempt(ValueError("x" * 9_999))
    assert len((kept(config) or {})["cause"]) == LONGEST


def test_a_defect_is_told_in_the_report_as_in_notices() -> None:
    found = failed_stages.told(None, KeyError("gone"))
    assert found["runbook"] == "docs/runbook.md#defect"
    assert found["action"] in failure_text(
        KeyError("gone"), Where("d", "t", "r", 1), NotPublished("No.", action="x"), Links(), CUTOFF
    )


@pytest.mark.parametrize(
    ("url", "cause", "left"),
    [
        ("postgresql://job@host/shop", "the job's postgresql://job@host/shop", "the job's **********"),
        (
            "postgresql://recommender:pa@host/a",
            "pa, recommender:pa, recommender",
            "**********, **********, recommender",
        ),
        ("postgresql://job:p%40s@host/a", "p@s p%40s", "********** **********"),
        ("postgresql://job:@host/a", "job: and job", "job: and job"),
        (None, "nothing", "nothing"),
    ],
)
def test_a_password_is_hidden_and_an_account_may_be_named(url: str | None, cause: str, left: str) -> None:
    config = load_config({"database_url": url} if url else {})
    found = failed_stages.told(config, SchemaMissing(cause, action="Run `recommender-job migrate`."))
    assert (found["class"], found["cause"], found["action"]) == (
        "SchemaMissing",
        left,
        "Run `recommender-job migrate`.",
    )


def test_a_password_that_is_a_common_word_changes_nothing_else() -> None:
    config = load_config({"database_url": "postgresql://job:recommender@host/a"})
    found = failed_stages.told(config, SchemaMissing("recommender", action="Run `recommender-job migrate`."))
    assert (found["cause"], found["action"]) == ("**********", "Run `recommender-job migrate`.")


def test_a_store_that_fails_hides_no_error(config: Config, attempt: Any) -> None:
    Path(config.runs, "second").mkdir(parents=True)
    Path(config.runs, "second", failed_stages.FOLDER).write_text("no folder")
    with capture_logs() as logs, pytest.raises(StorageFailed, match="second/failed"):
        attempt(None)
    assert [entry["event"] for entry in logs] == ["the failure could not be noted in the run folder"]


def test_a_night_that_fails_early_has_a_report_and_its_own_error(config: Config, database: Database) -> None:
    with database.transaction() as transaction:
        transaction.run("alter table website.ratings rename to ratings_gone")
    with pytest.raises(SourceBroken):
        nightly.run_night(config, SECOND)
    assert "The night failed at extract (SourceBroken)" in nightly.report_html(config, "second")
    (night,) = nights(database, 5)
    assert (night["run_id"], night["outcome"]) == ("second", "failed")
    assert RunFolder(config.runs, "second").summary("report")["outcome"] == "failed"


def test_a_report_that_fails_does_not_hide_how_the_night_ended(config: Config, database: Database) -> None:
    with database.transaction() as transaction:
        transaction.run("alter table website.ratings rename to ratings_gone")
        transaction.run("alter table recommender.night rename to night_gone")
    with capture_logs() as logs, pytest.raises(SourceBroken):
        nightly.run_night(config, SECOND)
    assert "the run report could not be written" in [entry["event"] for entry in logs]
    assert (RunFolder(config.runs, "second").path / "failed/report.json").exists()
