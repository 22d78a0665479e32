"""Killed, or its database restarted, at any moment: a plain rerun mends it, and the website notices nothing."""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from recommender_job.publishing.publications import rollback
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.importer import import_ratings
from recommender_job.ratings.sample import sample_ratings
from recommender_job.runs import Run
from recommender_job.storage import embedded, schema
from recommender_job.storage.database import Database, plain_url
from tests.e2e.killing import Night, Nights, files_left, kill, leftovers, wait_until_alone
from tests.e2e.visitors import Shown, Visitor

SEED = 20240101
#: In each stage; with the restarts more than fifty.
KILLS = 4
STAGES = [
    "extract", "clean", "train", "evaluate", "gate", "refit", "plan_shards", "score-0000", "score-0001", "publish",
    "prune",
]  # fmt: skip
FAST, AT_ONCE = signal.SIGINT, signal.SIGQUIT
RESTARTS = [
    ("extract", AT_ONCE), ("extract", FAST), ("clean", AT_ONCE), ("train", FAST), ("refit", AT_ONCE),
    ("publish", AT_ONCE), ("publish", FAST), ("prune", AT_ONCE), ("prune", FAST),
]  # fmt: skip
#: What a night may leave until the next one prunes.
TIDIED_UP = ("of no publication", "never switched to")

BEFORE = Run("the-night-before", datetime(2023, 1, 1, tzinfo=UTC))
NIGHT = Run("the-night", datetime(2024, 1, 1, tzinfo=UTC))
#: The gate is not what this is about: it lets a toy model pass.
SETTINGS = {
    "model.epochs": 2,
    "model.dense": False,
    "model.embedding_dimension": 4,
    "relevance.ease_l2": "20",
    "relevance.activity_power": "0",
    "relevance.popularity": "0.1",
    "evaluation.resamples": 500,
    "gate.significance": 0.01,
    "gate.max_rmse": 9,
    "gate.max_list_loss": 1,
    "gate.min_personal_lists": 0,
    "gate.min_distinct_lists": 0,
    "gate.max_exposure": 1,
    "keep_all_predictions": True,
    "keep_publications": 2,
    "top_n": 5,
}


@dataclass(frozen=True)
class Stand:
    """The night before is live; what an undisturbed night makes of it, and how long its stages take, is known."""

    home: Path
    database: Database
    nights: Nights
    visitor: Visitor
    before: int
    lists: list[dict[str, Any]]
    seconds: dict[str, float]

    @property
    def folder(self) -> Path:
        return self.home / "runs" / NIGHT.folder


def lists(database: Database) -> list[dict[str, Any]]:
    """All that the website reads of its lists, but for the number of the publication."""
    with database.transaction() as transaction:
        rows = transaction.rows("select * from recommender.recommendations order by user_id, rank")
        rows += transaction.rows("select * from recommender.default_recommendations order by rank")
    return [{key: value for key, value in row.items() if key != "publication_id"} for row in rows]


def shown(rows: list[dict[str, Any]]) -> dict[int | None, Shown]:
    """The list of each user, and of everybody else as None."""
    found: dict[int | None, list[tuple[Any, ...]]] = {}
    for row in rows:
        columns = ("rank", "experience_id", "experience_name", "predicted_rating", "source", "reason")
        found.setdefault(row.get("user_id"), []).append(tuple(row[column] for column in columns))
    return {user: tuple(rows) for user, rows in found.items()}


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home with a short name: the path of a Unix socket has at most 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="kill-", dir="/tmp"))
    yield path
    embedded.stop(path)
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def stand(home: Path) -> Iterator[Stand]:
    database = Database(embedded.start(home))
    schema.migrate(database)
    sample_ratings(60, 20, seed=1).to_csv(home / "ratings.csv", index=False)
    import_ratings(database, home / "ratings.csv", Columns(), now=NIGHT.cutoff, scale=(1, 5))
    with database.transaction() as transaction:
        transaction.run("create role web login in role website_reader")
    nights = Nights(home, {**SETTINGS, "home": str(home), "database_url": plain_url(database.url)})
    made = []
    for run in (BEFORE, NIGHT, NIGHT):
        night = nights.run(run)
        assert night.went_well, night.error
        made.append((night, lists(database)))
    (_, before), (_, first), (night, again) = made
    assert first == again != before
    with database.transaction() as transaction:
        row = transaction.row("select publication_id from recommender.publication where run_id = :id", id=BEFORE.run_id)
    assert row is not None
    rollback(database, row["publication_id"])
    old, new = shown(before), shown(first)
    expected = {user: {old.get(user, old[None]), new.get(user, new[None])} for user in old.keys() | new.keys()}
    visitor = Visitor(plain_url(database.url.set(username="web")), expected)
    yield Stand(home, database, nights, visitor, row["publication_id"], first, night.seconds)
    visitor.close()
    nights.close()


def strike(stand: Stand, stage: str, after: float, how: Callable[[int], None], *, afresh: bool) -> tuple[Night, Night]:
    """A night that is struck while the night before is live, and all that must hold after running it again.

    Args:
        stand: What has happened before.
        stage: The stage in which to strike.
        after: Seconds after its begin.
        how: What to do then, given a handle of the night's process.
        afresh: Whether the night finds no files of an earlier attempt, and is run again as a whole. Or else it begins
            at the stage, on the files of a whole night, and again at the stage: as when its task is cleared in Airflow.

    Returns:
        The night that was struck, and the one that mended it.
    """
    begin = "" if afresh else "publish" if stage == "prune" else stage
    rollback(stand.database, stand.before)
    shutil.rmtree(stand.nights.scratch)
    stand.nights.scratch.mkdir()
    if afresh:
        shutil.rmtree(stand.folder)
    night = stand.nights.run(NIGHT, stage, after, how, begin=begin)
    assert night.went_well or night.exit == -signal.SIGKILL or "TransientError" in night.kinds, night.error
    wait_until_alone(stand.database)
    assert stand.visitor.complaints() == []
    # The next publisher tidies up what nobody can see; all that can be rolled back to must be whole at any moment.
    assert [thing for thing in leftovers(stand.database) if not thing.endswith(TIDIED_UP)] == []

    again = stand.nights.run(NIGHT, begin=begin)
    assert again.went_well, again.error
    wait_until_alone(stand.database)
    assert lists(stand.database) == stand.lists
    assert leftovers(stand.database) == []
    assert files_left(stand.nights.scratch, stand.folder) == []
    assert stand.visitor.complaints() == []
    return night, again


def strikes(
    stand: Stand, stage: str, how: Callable[[int], None], *, wanted: int, afresh_every: int, seed: str
) -> list[Night]:
    """Nights struck at moments by chance, until so many were struck before the stage had ended, or twelve were tried.

    A machine that was busy when the stage was measured makes moments too late: each night that was missed tells how
    long the stage takes now. A stage at which a night begins takes longer: what it needs is loaded there.
    """
    moments, nights = random.Random(seed), list[Night]()
    seconds = dict.fromkeys((True, False), stand.seconds[stage])
    while sum(night.hit for night in nights) < wanted and len(nights) < 12:
        afresh = len(nights) % afresh_every == 0
        after = moments.uniform(0, 0.8) * seconds[afresh]  # not right at the end: the next moment it is over
        night, again = strike(stand, stage, after, how, afresh=afresh)
        nights.append(night)
        if not night.hit:
            seconds[afresh] = min(seconds[afresh], night.seconds[stage])
        elif not afresh:
            seconds[afresh] = again.seconds[stage]
    return nights


@pytest.mark.parametrize("stage", STAGES)
def test_a_night_that_is_killed_is_mended_by_running_it_again(stand: Stand, stage: str) -> None:
    nights = strikes(stand, stage, kill, wanted=KILLS, afresh_every=KILLS, seed=f"{SEED} {stage}")
    assert sum(night.hit for night in nights) == KILLS, [night.seconds for night in nights]


def stop_and_start(stand: Stand, how: signal.Signals) -> None:
    """Restarts the server: `FAST` ends its sessions first, `AT_ONCE` does not even write anything out."""
    pid_file = stand.home / "postgres" / "postmaster.pid"
    with stand.visitor.server_away():
        os.kill(int(pid_file.read_text().split()[0]), how)
        deadline = time.monotonic() + 60
        while pid_file.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        embedded.start(stand.home)


@pytest.mark.parametrize(("stage", "how"), RESTARTS)
def test_a_night_whose_database_restarts_ends_well_or_can_be_run_again(
    stand: Stand, stage: str, how: signal.Signals
) -> None:
    def restart(handle: int) -> None:
        stop_and_start(stand, how)

    nights = strikes(stand, stage, restart, wanted=1, afresh_every=1, seed=f"{SEED} {stage} {how}")
    assert nights[-1].hit, [night.seconds for night in nights]
