"""Every failure of the night, in one tree.

A `PermanentError` fails again however often it is retried; a `TransientError` may not. Each error says what
happened, what to do next, and where (run and stage, filled in by the stage runner). Each class has a section in
`docs/runbook.md` under its own name.
"""

from __future__ import annotations

RUNBOOK = "docs/runbook.md"
#: Of the text of an error that nobody foresaw, so many characters are told.
LONGEST = 500


def in_short(error: BaseException) -> str:
    """The first line of an unexpected error's text, cut: what follows may hold a row or a whole frame."""
    return next(iter(str(error).strip().splitlines()), "")[:LONGEST]


class RecommenderError(Exception):
    """Base of the tree.

    Args:
        cause: One sentence: what is wrong, with the table, row, column or figure that shows it.
        action: What the person reading this should do next.
        run_id: The run that failed; empty outside a run.
        stage: The stage that failed; empty outside a stage.
    """

    def __init__(self, cause: str, *, action: str, run_id: str = "", stage: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.action = action
        self.run_id = run_id
        self.stage = stage

    @property
    def runbook(self) -> str:
        """Where the runbook explains this error."""
        return f"{RUNBOOK}#{type(self).__name__.lower()}"

    def __str__(self) -> str:
        where = f" [run {self.run_id}, stage {self.stage}]" if self.stage else ""
        return f"{type(self).__name__}: {self.cause}{where} Next: {self.action} ({self.runbook})"

    def __reduce__(self) -> tuple[object, ...]:
        # Exception's own pickling calls the class with positional arguments and would lose the keywords.
        return _rebuild, (type(self), self.cause, dict(self.__dict__))


def _rebuild(cls: type[RecommenderError], cause: str, state: dict[str, object]) -> RecommenderError:
    error = cls.__new__(cls)
    Exception.__init__(error, cause)
    error.__dict__.update(state)
    return error


class PermanentError(RecommenderError):
    """A retry cannot help."""


class TransientError(RecommenderError):
    """The same call may succeed later."""


class ConfigurationError(PermanentError):
    """A setting is unknown, out of bounds or contradicts another."""


class BadFile(PermanentError):
    """A ratings file cannot be read at all."""


class SchemaMissing(PermanentError):
    """The database lacks a table, view or column that the job needs."""


class SourceBroken(PermanentError):
    """A source query does not return what its contract promises."""


class TooManyRefused(PermanentError):
    """More ratings than `quarantine.max_share` were refused; they are in the quarantine."""


class SourceSuspicious(PermanentError):
    """The ratings as a whole differ from those of the last nights more than `sanity` allows."""


class NothingToTrainOn(PermanentError):
    """Too few usable ratings are left to train on or to hold out."""


class StageMissing(PermanentError):
    """A stage was started although one before it has not finished in this run."""


class ArtifactBroken(PermanentError):
    """A file in a run folder is not what was written there."""


class TrainingDiverged(PermanentError):
    """The model's loss or a prediction is not a finite number."""


class GateBlocked(PermanentError):
    """The challenger did not pass the gate; the website keeps the active publication.

    Args:
        figures: Summary of the gate stage, as JSON-able values, so that callers can show the table.
    """

    def __init__(
        self, cause: str, *, action: str, figures: dict[str, object], run_id: str = "", stage: str = ""
    ) -> None:
        super().__init__(cause, action=action, run_id=run_id, stage=stage)
        self.figures = figures


class OutputRefused(PermanentError):
    """The lists of this run break the table contract; nothing was switched."""


class RunTooOld(PermanentError):
    """A newer publication is active than the one this run would publish."""


class StaleRecommendations(PermanentError):
    """What the website shows is older than it may be, or is not what the contract promises."""


class NotPublished(PermanentError):
    """There is no such publication, or none at all."""


class TookTooLong(PermanentError):
    """A task ran into its time limit."""


class DatabaseAway(TransientError):
    """The database cannot be reached or dropped the connection."""


class StorageFailed(TransientError):
    """The run folder cannot be read or written (disk full, object store away)."""


class PublicationBusy(TransientError):
    """Another run is publishing right now."""


class ProcessDied(TransientError):
    """The process that did the work crashed in native code or was killed."""


class CardFailed(TransientError):
    """A graphics card ran out of memory or failed."""
