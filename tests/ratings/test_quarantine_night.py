"""What a night keeps of the rows it refuses, for how long, and when they are too many."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from recommender_job.config import Config
from recommender_job.errors import TooManyRefused
from recommender_job.ratings.clean import CLEAN, clean
from recommender_job.ratings.quarantine import refused_rows
from recommender_job.runs import Run
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database
from tests.ratings.cleaned import write_snapshot
from tests.ratings.worlds import source_ratings

RUN = Run.at(datetime(2023, 2, 1, tzinfo=UTC))
GOOD = [(1, 1, 5, minute, 0) for minute in range(100)]
Clean = Callable[..., dict[str, Any]]


@pytest.fixture
def run_clean(make_config: Callable[..., Config], database: Database, folder: RunFolder) -> Clean:
    """Cleans a snapshot of these rows, with user 1 and experience 1, under these settings."""

    def work(rows: list[Any], **settings: Any) -> dict[str, Any]:
        write_snapshot(folder, source_ratings(*rows), users=[1], experiences=[1])
        return clean(
            make_config({f"quarantine.{key}": value for key, value in settings.items()}), RUN, folder, database
        )

    return work


def refuse(database: Database, origin: str, days_ago: float) -> None:
    with database.transaction() as transaction:
        transaction.run(
            "insert into recommender.quarantine (origin, column_name, reason, content, refused_at)"
            " values (:origin, '', 'old', '', now() - make_interval(secs => :days * 86400))",
            origin=origin,
            days=days_ago,
        )


def test_a_row_is_kept_with_its_user(run_clean: Clean, database: Database) -> None:
    run_clean([*GOOD, (7, 1, 3, 0, 0), (1, 1, float("-inf"), 200, 0), (1, 1, None, 201, 0)])
    second, third, first = sorted(refused_rows(database), key=lambda row: row["quarantine_id"])
    assert {key: first[key] for key in ("origin", "line", "column_name", "reason", "user_text")} == {
        "origin": RUN.run_id,
        "line": None,
        "column_name": "user_id",
        "reason": "is not in users",
        "user_text": "7",
    }
    assert json.loads(first["content"]) == {
        "user_id": 7,
        "experience_id": 1,
        "rating": 3.0,
        "rated_at": "2023-01-01T00:00:00.000000Z",
    }
    assert json.loads(second["content"])["rating"] == "-inf"
    assert json.loads(third["content"])["rating"] is None


def test_old_rows_are_deleted_and_those_of_other_runs_stay(run_clean: Clean, database: Database) -> None:
    refuse(database, "another-run", 29)
    refuse(database, "another-run", 31)
    refuse(database, "import old.csv", 31)
    run_clean([*GOOD, (7, 1, 3, 0, 0)], keep_days=30)
    assert sorted(row["origin"] for row in refused_rows(database)) == ["another-run", RUN.run_id]


@pytest.mark.parametrize("at_once", [5, 131_072])
def test_too_many_refused_rows_stop_the_night_once_they_are_stored(
    run_clean: Clean, database: Database, folder: RunFolder, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr("recommender_job.storage.run_files.BATCH", at_once)
    strangers = [(user, 1, 3, 0, 0) for user in range(100, 118)]
    with pytest.raises(TooManyRefused) as caught:
        run_clean([*GOOD[:76], *strangers, (1, 1, 9, 300, 0), (1, 1, 8, 301, 0)], max_share=0.2)
    cause = caught.value.cause
    assert "20 of 96 ratings (20.8%) were refused, more than `quarantine.max_share` 20.0%" in cause
    first, second = cause.split(": ", 1)[1].split("; ")
    assert first.startswith('user_id is not in users: 18, such as {"user_id":100,"experience_id":1,"rating":3.0,')
    assert second.startswith(
        'rating is outside the scale 1 to 5: 2, such as {"user_id":1,"experience_id":1,"rating":9.0,'
    )
    assert "recommender-job quarantine list" in caught.value.action
    assert len(refused_rows(database)) == 20
    assert not (folder.path / CLEAN).exists()
    with database.transaction() as transaction:
        assert transaction.count("recommender.profile") == 0


@pytest.mark.parametrize(
    ("refused", "settings"),
    [
        (19, {}),  # fewer than min_rows
        (25, {"max_share": 0.2}),  # exactly the share: 25 of 125
        (30, {"min_rows": 31}),
        (30, {"max_share": 1}),
    ],
)
def test_few_refused_rows_do_not_stop_the_night(run_clean: Clean, refused: int, settings: dict[str, Any]) -> None:
    rows = [*GOOD, *((9, 1, 3, minute, 0) for minute in range(refused))]
    assert run_clean(rows, **settings)["rejected"] == refused


def test_many_rows_are_stored_in_parts(run_clean: Clean, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recommender_job.ratings.rejections.PART_ROWS", 7)
    run_clean([*GOOD, *((9, 1, 3, minute, 0) for minute in range(23))], max_share=1)
    moments = [json.loads(row["content"])["rated_at"] for row in refused_rows(database)]
    assert len(set(moments)) == len(moments) == 23


def test_an_erased_user_is_not_kept_again(run_clean: Clean, database: Database) -> None:
    with database.transaction() as transaction:
        transaction.run("insert into recommender.erasure (user_id, receipt) values (77, '{}')")
    run_clean([*GOOD, (77, 1, 5, 0, 0), (78, 1, 5, 0, 0)])
    assert [row["user_text"] for row in refused_rows(database, limit=9)] == ["78"]
