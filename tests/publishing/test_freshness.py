"""The hourly look at the lists: what it lets pass, and what it tells of everything that can be wrong with them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from recommender_job.config import Config
from recommender_job.errors import DatabaseAway, NotPublished, SchemaMissing, StaleRecommendations
from recommender_job.publishing import freshness
from recommender_job.publishing.freshness import check, check_now
from recommender_job.storage.database import Database
from tests.publishing.by_hand import LONG_AGO, publish, website_account
from tests.publishing.plans import nodes

LISTS = {1: (5, 6), 2: (6, 5, 7), 9: (8,)}


@pytest.fixture
def fresh(database: Database) -> Database:
    """A publication of just now, and an older one that nobody must look at."""
    publish(database, {1: (7,), 77: (8,)}, default=(1,), data_through=datetime.now(UTC))
    publish(database, LISTS, run_id="tonight", data_through=datetime.now(UTC) - timedelta(hours=1))
    return database


def spoil(database: Database, statement: str) -> None:
    with database.transaction() as transaction:
        assert transaction.run(statement) > 0


def told(database: Database) -> str:
    with pytest.raises(StaleRecommendations) as caught:
        check(database)
    assert "of run tonight" in caught.value.cause
    assert caught.value.runbook == "docs/runbook.md#stalerecommendations"
    return caught.value.cause


def test_fresh_lists_pass(fresh: Database) -> None:
    found = check(fresh)
    assert (found["publication_id"], found["run_id"]) == (2, "tonight")
    assert (found["users_read"], found["default_rows"]) == (3, 3)
    assert datetime.fromisoformat(found["expires_at"]) - datetime.fromisoformat(found["data_through"]) == (
        timedelta(hours=36)
    )


def test_by_the_configured_database(fresh: Database, config: Config) -> None:
    assert check_now(config) == check(fresh)


def test_the_websites_rights_are_enough(fresh: Database) -> None:
    with website_account(fresh) as url:
        website = Database(sa.make_url(url).set(drivername="postgresql+psycopg2"))
        assert check(website)["publication_id"] == 2


def test_nobody_has_a_list_when_all_have_taken_everything(database: Database) -> None:
    publish(database, {}, data_through=datetime.now(UTC))
    assert check(database)["users_read"] == 0


def test_nothing_published(database: Database) -> None:
    with pytest.raises(NotPublished, match="Nothing has been published yet"):
        check(database)


def test_a_dry_run_is_not_published(database: Database) -> None:
    publish(database, LISTS, shown=False)
    with pytest.raises(NotPublished):
        check(database)


def test_stale_lists_and_since_when(database: Database) -> None:
    publish(database, LISTS, run_id="tonight", data_through=LONG_AGO)
    cause = told(database)
    assert "stale since 2023-01-02 12:00 UTC" in cause
    assert "publication 1 of run tonight knows ratings through 2023-01-01 00:00 UTC only" in cause


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("delete from recommender.default_recommendation where publication_id = 2", "the default list is empty"),
        (
            "delete from recommender.default_recommendation where publication_id = 2 and rank = 1",
            "the default list has the ranks 2, 3",
        ),
        (
            "update recommender.default_recommendation set experience_id = 90 where publication_id = 2 and rank = 3",
            "the default list holds experience 90 twice",
        ),
        ("delete from recommender.recommendation_2", "no user has a list, of 3"),
        (
            "delete from recommender.recommendation_2 where user_id = 2 and rank = 2",
            "the list of user 2 has the ranks 1, 3",
        ),
        (
            "update recommender.recommendation_2 set rank = 2 where user_id = 9",
            "the list of user 9 has the ranks 2",
        ),
        (
            "update recommender.recommendation_2 set experience_id = 5 where user_id = 1",
            "the list of user 1 holds experience 5 twice",
        ),
    ],
)
def test_lists_that_are_not_as_promised(fresh: Database, statement: str, expected: str) -> None:
    spoil(fresh, statement)
    cause = told(fresh)
    assert cause.endswith(f", and {expected}.")
    assert "was first shown at 20" in cause


@pytest.mark.parametrize(
    ("view", "change", "expected"),
    [
        ("recommendations", "source => null::text", "the list of user 1 has no source"),
        ("default_recommendations", "experience_name => null::text", "the default list has no experience_name"),
        ("recommendations", "publication_id => 1::bigint", "the list of user 1 is of publication 1"),
    ],
)
def test_views_that_somebody_has_changed(fresh: Database, view: str, change: str, expected: str) -> None:
    """What the tables forbid can only come from other views."""
    column, value = change.split(" => ")
    with fresh.transaction() as transaction:
        columns = transaction.rows(
            "select column_name::text as name from information_schema.columns"
            " where table_schema = 'recommender' and table_name = :view order by ordinal_position",
            view=view,
        )
        names = [f"{value} as {column}" if row["name"] == column else row["name"] for row in columns]
        transaction.run(f"alter view recommender.{view} rename to genuine")
        transaction.run(f"create view recommender.{view} as select {', '.join(names)} from recommender.genuine")
    assert told(fresh).endswith(f", and {expected}.")


def test_everything_is_read_at_the_same_moment(fresh: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = freshness._sample

    def sample_and_publish(*arguments: Any) -> list[int]:
        users = sample(*arguments)
        publish(fresh, {1: (5,)}, default=(), data_through=LONG_AGO)
        return users

    monkeypatch.setattr(freshness, "_sample", sample_and_publish)
    assert check(fresh)["publication_id"] == 2
    monkeypatch.undo()
    with pytest.raises(StaleRecommendations, match="publication 3"):
        check(fresh)


def test_what_is_wrong_comes_before_what_is_old(database: Database) -> None:
    publish(database, LISTS, run_id="tonight", data_through=LONG_AGO, default=())
    assert "the default list is empty" in told(database)


def test_a_night_for_nobody_is_no_mistake_of_the_lists(database: Database) -> None:
    publish(database, {}, data_through=datetime.now(UTC))
    assert check(database)["users_read"] == 0


@pytest.fixture
def crowded(database: Database) -> Database:
    publish(database, {1: (5,), 10**15: (5,)}, run_id="tonight", data_through=datetime.now(UTC), crowd=500)
    return database


def test_the_first_and_the_last_user_and_some_in_between_are_read(database: Database) -> None:
    lists = {user: (5, 6) for user in range(100, 200)}
    publish(database, lists, run_id="tonight", data_through=datetime.now(UTC))
    assert check(database)["users_read"] == 20
    assert check(database, users=3)["users_read"] == 3
    for user in (100, 149, 199):
        spoil(database, f"update recommender.recommendation_1 set rank = 3 where user_id = {user} and rank = 2")
        with pytest.raises(StaleRecommendations, match=f"user {user} has the ranks 1, 3"):
            check(database, users=3)
        spoil(database, f"update recommender.recommendation_1 set rank = 2 where user_id = {user} and rank = 3")
    spoil(database, "update recommender.recommendation_1 set rank = 3 where user_id = 120 and rank = 2")
    assert check(database, users=3)["users_read"] == 3  # not everybody is read: there may be millions


def test_ids_far_apart_and_a_single_user(crowded: Database) -> None:
    assert check(crowded)["users_read"] == 2  # everything in between lies next to the first one
    assert check(crowded, users=1)["users_read"] == 1


@pytest.mark.parametrize("sql", [freshness._FIRST, freshness._LAST, freshness._NEXT, freshness._LISTS])
def test_the_check_reads_by_the_index_however_many_users_there_are(database: Database, sql: str) -> None:
    for _ in range(2):
        publish(database, {}, crowd=3000)
    with database.transaction() as transaction:
        rows = transaction.rows(f"explain (analyze, format json) {sql}", probe=2000, users=[1001, 2500])
    ran = [node for node in nodes(rows[0]["QUERY PLAN"][0]["Plan"]) if node["Actual Loops"]]
    lists = [node for node in ran if str(node.get("Relation Name")).startswith("recommendation_")]
    assert {node["Relation Name"] for node in lists} == {"recommendation_2"}
    assert all(node["Node Type"].startswith(("Index", "Bitmap")) for node in lists)
    assert sum(node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in lists) <= 20


def test_the_database_is_away_or_empty(database: Database, tmp_path: Any) -> None:
    with pytest.raises(DatabaseAway):
        check(Database(database.url.update_query_dict({"host": str(tmp_path)})))
    with database.transaction() as transaction:
        transaction.run("drop schema recommender cascade")
    with pytest.raises(SchemaMissing):
        check(database)
