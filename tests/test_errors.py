"""The error tree: documented, complete in what it tells, and able to travel between processes."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from recommender_job import errors
from recommender_job.errors import GateBlocked, PermanentError, RecommenderError, TransientError

ABSTRACT = {RecommenderError, PermanentError, TransientError}


def tree(root: type[RecommenderError] = RecommenderError) -> Iterator[type[RecommenderError]]:
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


CLASSES = list(tree())
CONCRETE = [cls for cls in CLASSES if cls not in ABSTRACT]


def example(cls: type[RecommenderError]) -> RecommenderError:
    extra = {"figures": {"rmse": 1.5, "reasons": ["too high"]}} if issubclass(cls, GateBlocked) else {}
    return cls("Nothing works: ñ.", action="Try this.", run_id="night-1", stage="train", **extra)


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_keeps_everything(cls: type[RecommenderError], protocol: int) -> None:
    error = example(cls)
    error.add_note("seen at night")
    back = pickle.loads(pickle.dumps(error, protocol))
    assert type(back) is cls
    assert vars(back) == vars(error)
    assert (back.cause, back.action, back.run_id, back.stage) == (
        "Nothing works: ñ.", "Try this.", "night-1", "train",
    )  # fmt: skip
    assert (str(back), back.args) == (str(error), error.args)


def test_the_gates_figures_travel_too() -> None:
    error = example(GateBlocked)
    assert isinstance(error, GateBlocked)
    for back in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert back.figures == {"rmse": 1.5, "reasons": ["too high"]}


def test_where_it_happened_is_told_once_it_is_known() -> None:
    error = errors.BadFile("It is empty.", action="Export it again.")
    assert str(error) == "BadFile: It is empty. Next: Export it again. (docs/runbook.md#badfile)"
    error.run_id, error.stage = "night-1", "extract"
    assert str(pickle.loads(pickle.dumps(error))) == (
        "BadFile: It is empty. [run night-1, stage extract] Next: Export it again. (docs/runbook.md#badfile)"
    )


@pytest.mark.parametrize("cls", CONCRETE)
def test_every_error_is_either_permanent_or_transient(cls: type[RecommenderError]) -> None:
    assert issubclass(cls, PermanentError) != issubclass(cls, TransientError)


@pytest.mark.parametrize("name", ["DatabaseAway", "StorageFailed", "PublicationBusy", "ProcessDied", "CardFailed"])
def test_what_a_retry_can_help_against(name: str) -> None:
    assert issubclass(getattr(errors, name), TransientError)
    assert sum(issubclass(cls, TransientError) for cls in CONCRETE) == 5


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_is_in_the_one_file_and_says_what_it_is(cls: type[RecommenderError]) -> None:
    assert cls.__module__ == "recommender_job.errors"
    assert "__doc__" in vars(cls)
    assert (cls.__doc__ or "").strip()


def runbook() -> dict[str, str]:
    text = (Path(__file__).parents[1] / "docs" / "runbook.md").read_text("utf-8")
    _, *sections = re.split(r"^## +", text, flags=re.MULTILINE)
    return {section.split("\n", 1)[0].strip(): section.split("\n", 1)[1].strip() for section in sections}


@pytest.mark.parametrize("cls", CONCRETE)
def test_every_error_has_its_section_in_the_runbook(cls: type[RecommenderError]) -> None:
    assert runbook().get(cls.__name__), f"docs/runbook.md has no section `## {cls.__name__}`, or an empty one"
    # The anchor that the error's own text leads to.
    assert example(cls).runbook == f"docs/runbook.md#{cls.__name__.lower()}"
