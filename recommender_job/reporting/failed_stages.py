"""What a stage that failed leaves in the run folder: why, and what to do; gone as soon as the stage begins again."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import structlog

from recommender_job.config import Config
from recommender_job.errors import RUNBOOK, ArtifactBroken, RecommenderError, StorageFailed, in_short
from recommender_job.storage.artifacts import RunFolder

FOLDER = "failed"
#: What to do about an error that should not exist; the runbook has a section on it.
DEFECT_RUNBOOK = f"{RUNBOOK}#defect"
DEFECT_ACTION = (
    "This is a defect of the job, not of the data or the machine: keep the traceback in the task's log and the run's"
    " folder, and report both. It is not retried; clearing the task is safe."
)
_MASK = "**********"

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
        folder.write_json(_file(stage), told(config, error))
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


def told(config: Config | None, error: BaseException) -> dict[str, Any]:
    """An error as people are told of it: `class`, `cause`, `action`, `runbook`, and whether it is a `defect`.

    Args:
        config: Its secrets are hidden in the cause; None: it could not be read.
        error: Of the tree, or a defect, of which the class and the first line are told.
    """
    if isinstance(error, RecommenderError):
        what = {"cause": error.cause, "action": error.action, "runbook": error.runbook, "defect": False}
    else:
        what = {"cause": in_short(error), "action": DEFECT_ACTION, "runbook": DEFECT_RUNBOOK, "defect": True}
    if config is not None:
        what["cause"] = _without_secrets(config, str(what["cause"]))
    return {"class": type(error).__name__, **what}


def _without_secrets(config: Config, text: str) -> str:
    """The text without the URLs of the configuration and the passwords in them; an account's name may stay."""
    for secret in (config.database_url, config.notify.webhook_url):
        whole = secret.get_secret_value() if secret is not None else ""
        account = whole.partition("://")[2].rpartition("@")[0]
        password = account.partition(":")[2]
        for part in (whole, *((account, password, unquote(password)) if password else ())):
            if part:
                text = text.replace(part, _MASK)
    return text


def _file(stage: str) -> str:
    return f"{FOLDER}/{stage}.json"
