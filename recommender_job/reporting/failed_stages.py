"""What a stage that failed leaves in the run folder: why, and what to do; gone as soon as the stage begins again."""

from __future__ import annotations

from typing import Any

import structlog

from recommender_job.config import Config
from recommender_job.errors import ArtifactBroken, RecommenderError, StorageFailed
from recommender_job.storage.artifacts import RunFolder

FOLDER = "failed"
#: Of an error that should not exist, this section says what to do.
DEFECT_RUNBOOK = "docs/runbook.md#rerunning"
DEFECT_ACTION = "Keep the task's log and report it; clearing the task is safe."
#: A line of a defect is cut here: it may hold a whole frame.
LONGEST = 500

_log = structlog.get_logger(__name__)


def note(config: Config, folder: RunFolder, stage: str, error: Exception) -> None:
    """Keeps why a stage failed; where the store itself has failed, only the log says so.

    Args:
        config: Its secrets are hidden in the text.
        folder: The run folder.
        stage: The stage.
        error: Of the tree, or a defect, of which the class and the first line are kept.
    """
    try:
        folder.write_json(_file(stage), _told(config, error))
    except StorageFailed as failed:
        _log.warning("the failure could not be noted in the run folder", stage=stage, cause=failed.cause)


def forget(folder: RunFolder, stage: str) -> None:
    """Takes back what `note` has kept, as the stage begins again."""
    folder.remove(_file(stage))


def failure_of(folder: RunFolder, stage: str) -> dict[str, Any] | None:
    """Why a stage failed: `class`, `cause`, `action`, `runbook`, `defect`; None where nothing is on record."""
    try:
        return folder.read_json(_file(stage))
    except ArtifactBroken:
        return None  # never written, or cut short with the store


def _file(stage: str) -> str:
    return f"{FOLDER}/{stage}.json"


def _told(config: Config, error: Exception) -> dict[str, Any]:
    if isinstance(error, RecommenderError):
        told = {"cause": error.cause, "action": error.action, "runbook": error.runbook}
    else:
        cause = next(iter(str(error).strip().splitlines()), "")[:LONGEST]
        told = {"cause": cause, "action": DEFECT_ACTION, "runbook": DEFECT_RUNBOOK}
    told = {"class": type(error).__name__, **told}
    return {name: _without_secrets(config, text) for name, text in told.items()} | {
        "defect": not isinstance(error, RecommenderError)
    }


def _without_secrets(config: Config, text: str) -> str:
    """The text without the URLs and the password of the configuration."""
    for secret in (config.database_url, config.notify.webhook_url):
        if secret is None:
            continue
        whole = secret.get_secret_value()
        account = whole.partition("://")[2].rpartition("@")[0]
        for part in (whole, account, account.partition(":")[2]):
            if part:
                text = text.replace(part, "**********")
    return text
