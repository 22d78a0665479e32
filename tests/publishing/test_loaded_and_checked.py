"""Lists are loaded and checked at the same time: what either finds is told, and neither waits for the other in vain."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import wait
from typing import Any
from unittest.mock import patch

import pytest

from recommender_job.errors import DatabaseAway, OutputRefused
from recommender_job.publishing import checking, publish
from recommender_job.publishing.checking import Night
from recommender_job.scoring.score import lists_file
from recommender_job.storage.artifacts import RunFolder
from tests.publishing.test_publish_refusals import write_as_if_scored


@pytest.fixture(autouse=True)
def no_thread_is_left(website: Any) -> Iterator[None]:
    """Of those that began in the test: others of this process, which libraries keep, are nobody's business here."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def nothing_is_left(website: Any) -> bool:
    return website.partitions() == [] and website.rows("select * from recommender.publication") == []


def test_an_experience_that_may_not_be_shown_is_what_is_told(website: Any, spoilable: RunFolder) -> None:
    lists = spoilable.read_frame(lists_file(0))
    write_as_if_scored(spoilable, 0, lists.assign(experience_id=lists["experience_id"].where(lists.index > 0, 7000)))
    with pytest.raises(OutputRefused, match=r"not eligible or is excluded: user \d+ \(rank 1: experience 7000,"):
        website.publish(folder=spoilable)
    assert nothing_is_left(website)


def test_a_file_that_changes_between_loading_and_checking(website: Any) -> None:
    real, calls = Night.lists, []

    def lists(night: Night, shard: int) -> tuple[Any, str]:
        table, told = real(night, shard)
        calls.append(shard)
        return table, f"{told} and {len(calls)}"

    with patch.object(Night, "lists", lists), pytest.raises(OutputRefused, match="file changed while it was published"):
        website.publish()
    assert sorted(calls) == [0, 0, 1, 1]
    assert nothing_is_left(website)


def test_rows_that_do_not_arrive_are_missed(website: Any) -> None:
    with (
        patch.object(publish, "load", lambda *_: None),
        pytest.raises(OutputRefused, match=r"The shards hold \d+ rows but 0 were loaded"),
    ):
        website.publish()
    assert nothing_is_left(website)


@pytest.mark.parametrize("where", ["load", "Live"])
def test_a_database_that_goes_away_ends_the_checking_too(website: Any, where: str) -> None:
    website.publish("before")
    away = DatabaseAway("It is away.", action="Retry.")

    class Away:
        def __init__(self, *_: Any) -> None:
            raise away

    with patch.object(publish, where, Away), pytest.raises(DatabaseAway):
        website.publish("night", days=1)
    assert website.partitions() == ["recommendation_1"]


def test_what_is_refused_early_is_not_loaded_to_the_end(website: Any) -> None:
    begin, results, loaded = publish._checking, [], []

    def refuse(*_: Any) -> None:
        raise OutputRefused("Something is wrong.", action="Look.")

    @contextlib.contextmanager
    def begun(*arguments: Any) -> Iterator[Any]:
        with begin(*arguments) as (result, live):
            results.append(result)
            yield result, live

    def load(*arguments: Any) -> None:
        loaded.append(arguments)
        assert wait(results, 10).done

    with (
        patch.object(checking, "check_plan", refuse),
        patch.object(publish, "_checking", begun),
        patch.object(publish, "load", load),
        patch.object(publish.partitions, "attach", lambda *_: pytest.fail("it is attached")),
        pytest.raises(OutputRefused, match=r"Something is wrong\."),
    ):
        website.publish()
    assert nothing_is_left(website)
    assert len(loaded) == 1
