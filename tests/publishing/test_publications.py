"""Which publications there are, and moving between them."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_job.errors import NotPublished, PublicationBusy, RunTooOld
from recommender_job.publishing.activate import activate
from recommender_job.publishing.pruning import prune
from recommender_job.publishing.publications import lists_of, publications, rollback, status


def user_of(website: Any) -> int:
    return int(website.shown()[0]["user_id"])


def test_before_anything_is_published(website: Any) -> None:
    with pytest.raises(NotPublished, match="Nothing has been published yet") as caught:
        status(website.database)
    assert "recommender-job run" in caught.value.action
    with pytest.raises(NotPublished, match="Nothing has been published yet"):
        lists_of(website.database, 1)
    with pytest.raises(NotPublished, match="kept are: none"):
        rollback(website.database)
    assert publications(website.database) == []


def test_status_is_the_active_publication(website: Any) -> None:
    website.publish("first")
    website.publish("second", days=1)
    found = status(website.database)
    assert list(found) == [
        "publication_id", "run_id", "model_version", "data_through", "published_at", "expires_at", "is_stale",
        "users", "rmse",
    ]  # fmt: skip
    assert (found["publication_id"], found["run_id"]) == (2, "second")


def test_publications_newest_first(website: Any) -> None:
    website.publish("first")
    website.publish("second", days=1)
    website.publish("dry", days=2, dry_run=True)
    rows = publications(website.database)
    assert [(row["publication_id"], row["run_id"], row["is_active"]) for row in rows] == [
        (3, "dry", False),
        (2, "second", True),
        (1, "first", False),
    ]
    assert [row["published_at"] is None for row in rows] == [True, False, False]
    assert {row["top_n"] for row in rows} == {5}


def test_rollback_to_the_previous_and_forward_again(website: Any) -> None:
    for day in range(3):
        website.publish(f"night {day}", days=day)
    assert rollback(website.database) == {"publication_id": 2, "previous": 3}
    assert {row["publication_id"] for row in website.shown()} == {2}
    assert {*website.values("select publication_id from recommender.default_recommendations")} == {2}
    assert rollback(website.database) == {"publication_id": 1, "previous": 2}
    assert rollback(website.database, 3) == {"publication_id": 3, "previous": 1}
    assert status(website.database)["run_id"] == "night 2"


def test_rollback_passes_over_what_was_never_shown(website: Any) -> None:
    website.publish("first")
    website.publish("dry", dry_run=True)
    website.publish("third", days=1)
    assert rollback(website.database)["publication_id"] == 1


def test_rollback_leads_past_what_somebody_went_back_from(website: Any) -> None:
    for day in range(3):
        website.publish(f"night {day}", days=day, keep_publications=3)
    rollback(website.database, 1)  # 3 was bad, and 2 as well
    website.publish("night 3", days=3, keep_publications=3)
    website.publish("night 3", days=3, keep_publications=2)
    assert website.active() == 5
    # However few are kept, and although publication 4 of the same night is newer.
    assert rollback(website.database) == {"publication_id": 1, "previous": 5}


def test_rollback_to_the_newest_where_what_was_live_before_has_gone(website: Any) -> None:
    for day in range(3):
        website.publish(f"night {day}", days=day)
    with website.database.transaction() as transaction:
        transaction.run("update recommender.publication set live_before = 99")
    assert rollback(website.database) == {"publication_id": 2, "previous": 3}


@pytest.mark.parametrize("target", [None, 99])
def test_rollback_to_nowhere_changes_nothing(website: Any, target: int | None) -> None:
    website.publish()
    with pytest.raises(NotPublished, match="kept are: 1") as caught:
        rollback(website.database, target)
    assert "publications list" in caught.value.action
    assert website.active() == 1


@pytest.mark.parametrize("seen", [1, None])
def test_rollback_replaces_only_what_was_seen_active(website: Any, seen: int | None) -> None:
    for day in range(3):
        website.publish(f"night {day}", days=day)
    with pytest.raises(PublicationBusy, match="publication 3 is active"):
        rollback(website.database, 2, expected=seen)
    assert website.active() == 3
    assert rollback(website.database, 2, expected=3) == {"publication_id": 2, "previous": 3}


def test_rollback_waits_for_nobody(website: Any, connect: Any) -> None:
    website.publish("first")
    website.publish("second", days=1)
    other = connect()
    other.cursor().execute("select pg_advisory_xact_lock(hashtext('recommender publication'))")
    with pytest.raises(PublicationBusy):
        rollback(website.database)
    assert website.active() == 2


def test_a_dry_run_is_shown_when_somebody_says_so(website: Any) -> None:
    website.publish("first")
    website.publish("dry", days=1, dry_run=True)
    assert activate(website.database, 2) == {"publication_id": 2, "previous": 1}
    assert {row["publication_id"] for row in website.shown()} == {2}
    assert {*website.values("select publication_id from recommender.default_recommendations")} == {2}
    assert status(website.database)["published_at"] is not None
    # From now on it is one that was shown, like any other.
    website.publish("third", days=2)
    assert rollback(website.database)["publication_id"] == 2


def test_the_first_publication_may_be_a_dry_run(website: Any) -> None:
    website.publish("dry", dry_run=True)
    assert activate(website.database, 1) == {"publication_id": 1, "previous": None}
    assert activate(website.database, 1) == {"publication_id": 1, "previous": 1}
    assert website.active() == 1


def test_what_knows_fewer_ratings_is_only_shown_by_force(website: Any) -> None:
    website.publish("dry", dry_run=True)
    website.publish("second", days=1)
    with pytest.raises(
        RunTooOld, match="Publication 2, with ratings through 2024-01-02 00:00 UTC, is active"
    ) as caught:
        activate(website.database, 1)
    assert "publication 1 knows ratings through 2024-01-01 00:00 UTC only" in caught.value.cause
    assert "publications rollback 1" in caught.value.action
    assert website.active() == 2
    assert activate(website.database, 1, force=True) == {"publication_id": 1, "previous": 2}
    assert website.active() == 1


def test_two_publications_of_one_night_can_be_shown_in_turn(website: Any) -> None:
    website.publish("one")
    website.publish("another", dry_run=True)
    for publication, before in ((2, 1), (1, 2)):
        assert activate(website.database, publication) == {"publication_id": publication, "previous": before}


def test_only_what_is_kept_can_be_shown(website: Any) -> None:
    website.publish()
    with pytest.raises(NotPublished, match="There is no publication 99; kept are: 1") as caught:
        activate(website.database, 99, force=True)
    assert "publications list" in caught.value.action
    assert website.active() == 1


def test_showing_waits_for_no_other_publisher(website: Any, connect: Any) -> None:
    website.publish("dry", dry_run=True)
    connect().cursor().execute("select pg_advisory_xact_lock(hashtext('recommender publication'))")
    with pytest.raises(PublicationBusy):
        activate(website.database, 1)
    assert website.active() is None


def test_the_first_moment_of_showing_stays(website: Any) -> None:
    website.publish("first")
    first = publications(website.database)[0]["published_at"]
    website.publish("second", days=1)
    rollback(website.database)
    assert {row["publication_id"]: row["published_at"] for row in publications(website.database)}[1] == first


def test_the_active_publication_is_kept_however_old(website: Any) -> None:
    for day in range(3):
        website.publish(f"night {day}", days=day)
    rollback(website.database, 1)
    before = website.shown()
    assert prune(website.database, 1) == [2]
    assert website.shown() == before
    assert website.partitions() == ["recommendation_1", "recommendation_3"]
    assert prune(website.database, 1) == []


def test_dry_runs_do_not_push_out_what_was_shown(website: Any) -> None:
    website.publish("shown", keep_publications=2)
    website.publish("shown later", days=1, keep_publications=2)
    for number in range(3):
        website.publish(f"dry {number}", days=2, dry_run=True, keep_publications=2)
    assert [row["run_id"] for row in publications(website.database)] == ["dry 2", "dry 1", "shown later", "shown"]


def test_what_a_killed_publication_left_goes_once_its_run_is_shown(website: Any) -> None:
    website.publish("night", dry_run=True)
    website.publish("night", keep_publications=3)
    assert [row["publication_id"] for row in publications(website.database)] == [2]
    # A dry run of a run that is live is there to be compared with it.
    website.publish("night", dry_run=True, keep_publications=3)
    assert [row["publication_id"] for row in publications(website.database)] == [3, 2]
    assert website.partitions() == ["recommendation_2", "recommendation_3"]


def test_a_users_list(website: Any) -> None:
    website.publish()
    user = user_of(website)
    found = lists_of(website.database, user)
    own = [row for row in website.shown() if row["user_id"] == user]
    assert (found["user_id"], found["source"], found["publication_id"]) == (user, "model", 1)
    keys = ("rank", "experience_id", "experience_name", "predicted_rating", "reason")
    assert found["recommendations"] == [{key: row[key] for key in keys} for row in own]
    assert lists_of(website.database, user, 2)["recommendations"] == found["recommendations"][:2]


def test_a_stranger_reads_the_default_list(website: Any) -> None:
    website.publish()
    found = lists_of(website.database, -12345)
    assert found["source"] == "popular"
    assert [row["rank"] for row in found["recommendations"]] == [1, 2, 3, 4, 5]
    assert all(row["reason"] for row in found["recommendations"])
    assert len(lists_of(website.database, -12345, 3)["recommendations"]) == 3
