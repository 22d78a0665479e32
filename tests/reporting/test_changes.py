"""What tonight's lists are compared with: what was live before, also where somebody had rolled back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from recommender_job.publishing.publications import rollback
from recommender_job.reporting.changes import changes_since_before
from recommender_job.storage.database import Database
from tests.publishing.by_hand import publish
from tests.reporting.conftest import World

THROUGH = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def rolled_back(database: Database) -> list[int]:
    """Ids of three nights; before the third one was made, the first was made live again, and it is like it."""
    first = publish(database, {1: (5, 6)}, run_id="a", data_through=THROUGH)
    second = publish(database, {1: (7, 8)}, run_id="b", data_through=THROUGH + timedelta(days=1))
    rollback(database, first)
    return [first, second, publish(database, {1: (5, 6)}, run_id="c", data_through=THROUGH + timedelta(days=2))]


@pytest.mark.parametrize(
    ("before", "place", "overlap"),
    [(1, 0, 1.0), (2, 1, 0.0), (None, 1, 0.0), (99, 1, 0.0), (3, 1, 0.0)],
    ids=["rolled back", "the last one", "not known", "no longer kept", "itself"],
)
def test_lists_are_compared_with_what_was_live_then(
    database: Database, rolled_back: list[int], before: int | None, place: int, overlap: float
) -> None:
    assert rolled_back == [1, 2, 3]
    found = changes_since_before(database, 3, 5, before=before)
    assert found
    assert (found["old"], found["new"], found["mean_overlap"]) == (rolled_back[place], 3, overlap)


def test_an_earlier_attempt_of_the_same_night_is_not_what_was_before(database: Database) -> None:
    publish(database, {1: (7, 8)}, run_id="b", data_through=THROUGH)
    assert changes_since_before(database, publish(database, {1: (5, 6)}, run_id="b"), 5, before=1) is None


def test_the_report_takes_what_publishing_has_found_live(world: World) -> None:
    summary = world.folder().summary("publish")
    assert summary["live_before"] == 1
    third = publish(world.database, {1: (7, 8)}, run_id="third")
    for before in (1, 2):
        world.folder().finish("publish", {**summary, "publication_id": third, "live_before": before})
        world.run("update recommender.publication set run_id = 'other' where publication_id = 2")
        assert f"Publication 3 beside {before}: of" in world.html()
