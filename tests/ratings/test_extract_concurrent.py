"""Transactions that overlap the night and commit in any order: each is found by a night after its commit."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pandas as pd
import pytest

from recommender_job.config import Config
from recommender_job.ratings.extract import SNAPSHOT
from recommender_job.runs import Run
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database, Transaction
from tests.ratings.conftest import Import, Night, Snapshot
from tests.ratings.test_extract import FIRST, Age

INSERT = "insert into website.ratings (user_id, experience_id, rated_at, rating) values (:user, 1, :moment, 3)"
MOMENT = datetime.fromisoformat("2023-01-05 12:00+00:00")

#: What four transactions do, each to a user of its own; users 1 to 4 have rated experience 1 with 5 on 1 January.
WORK: dict[str, Callable[[Transaction], object]] = {
    "insert": lambda transaction: transaction.run(INSERT, user=1, moment=MOMENT),
    "correct": lambda transaction: transaction.run(
        "update website.ratings set rating = 1, updated_at = now() where user_id = 2"
    ),
    "delete": lambda transaction: transaction.run("delete from website.ratings where user_id = 3"),
    "move": lambda transaction: transaction.run(
        "update website.ratings set rated_at = :moment, updated_at = now() where user_id = 4", moment=MOMENT
    ),
}
BEFORE = [f"{user},A,5,2023-01-01 10:00" for user in (1, 2, 3, 4)]
AFTER = {(1, 1, 5, "01-01 15:00"), (1, 1, 3, "01-05 12:00"), (2, 1, 1, "01-01 15:00"), (4, 1, 5, "01-05 12:00")}


def night_number(number: int) -> Run:
    return Run.at(FIRST.cutoff + timedelta(days=number))


def content(config: Config, run: Run) -> pd.DataFrame:
    return RunFolder(config.runs, run.folder).read_frame(SNAPSHOT)


@pytest.mark.parametrize("order", list(itertools.permutations(WORK))[::5])
def test_whatever_commits_first(
    make_config: Callable[..., Config],
    database: Database,
    import_lines: Import,
    night: Night,
    age: Age,
    snapshot: Snapshot,
    order: tuple[str, ...],
) -> None:
    import_lines(BEFORE)
    age("1 day")
    night(night_number(0))
    with contextlib.ExitStack() as all_of_them:
        pending = {}
        for name, work in WORK.items():  # begun in one order, committed in another, a night after each
            pending[name] = all_of_them.enter_context(contextlib.ExitStack())
            work(pending[name].enter_context(database.transaction()))
        assert night(night_number(1))["extracted"] == 0
        for number, name in enumerate(order, 2):
            pending[name].close()
            summary = night(night_number(number))
            assert (summary["full_read"], summary["extracted"] + summary["deleted"] > 0) == (False, True)
    assert snapshot(night_number(5)) == AFTER
    full = Run(f"full-{order}", night_number(5).cutoff)
    config = make_config({"full_read": True})
    assert (night(full, config)["extracted"], night(full, config)["deleted"]) == (0, 0)
    pd.testing.assert_frame_equal(content(config, night_number(5)), content(config, full))


def test_without_looking_back_what_commits_late_is_lost(
    make_config: Callable[..., Config], database: Database, import_lines: Import, night: Night
) -> None:
    """So the tests here would notice."""
    import_lines(BEFORE)
    config = make_config({"lookback_minutes": 0})
    with database.transaction() as late:
        late.run(INSERT, user=1, moment=MOMENT)
        night(FIRST, config)
    assert night(night_number(1), config)["extracted"] == 0


def test_writers_that_never_rest(
    make_config: Callable[..., Config], database: Database, import_lines: Import, night: Night
) -> None:
    import_lines(BEFORE)
    resting = threading.Event()
    failed: list[BaseException] = []

    def write(user: int) -> None:
        try:
            for number in itertools.count():
                with database.transaction() as transaction:
                    moment = MOMENT + timedelta(seconds=number)
                    transaction.run(INSERT, user=user, moment=moment)
                    transaction.run(
                        "update website.ratings set rating = 4, updated_at = now() where user_id = :user"
                        " and rated_at = :earlier",
                        user=user,
                        earlier=moment - timedelta(seconds=2),
                    )
                    transaction.run(
                        "delete from website.ratings where user_id = :user and rated_at = :earlier and :some",
                        user=user,
                        earlier=moment - timedelta(seconds=4),
                        some=number % 3 == 0,
                    )
                    if resting.wait(0.002 * user):  # they overlap the nights and one another
                        return
        except BaseException as error:
            failed.append(error)

    writers = [threading.Thread(target=write, args=(user,)) for user in (1, 2, 3, 4)]
    for writer in writers:
        writer.start()
    seen = [night(night_number(number))["extracted"] for number in range(6)]
    resting.set()
    for writer in writers:
        writer.join()
    assert failed == []
    night(night_number(6))
    config, full = make_config({"full_read": True}), Run("full", night_number(6).cutoff)
    assert (night(full, config)["extracted"], night(full, config)["deleted"]) == (0, 0)
    frame = content(config, night_number(6))
    pd.testing.assert_frame_equal(frame, content(config, full))
    assert all(seen[1:])  # there was something for each night to miss
