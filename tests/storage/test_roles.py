"""Roles: the website reads three views and nothing else; the job works with no more than its own roles."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from recommender_job.config import Config
from recommender_job.errors import ConfigurationError
from recommender_job.ratings.clean import clean
from recommender_job.ratings.extract import extract
from recommender_job.runs import Run
from recommender_job.storage import partitions
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database, plain_url
from recommender_job.storage.schema import check_current

VIEWS = ["recommender.default_recommendations", "recommender.recommendation_status", "recommender.recommendations"]
RELATIONS = """
    select n.nspname || '.' || c.relname as name
    from pg_class as c inner join pg_namespace as n on c.relnamespace = n.oid
    where n.nspname in ('website', 'recommender') and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') order by 1
"""


@pytest.fixture
def published(database: Database, make_partition: Callable[..., None], publish_row: Callable[[int], None]) -> Database:
    """A database with one active publication."""
    publish_row(1)
    make_partition(1)
    with database.transaction() as transaction:
        transaction.run(
            "insert into recommender.default_recommendation (publication_id, rank, experience_id, experience_name,"
            " predicted_rating, source) values (1, 1, 10, 'E', 4, 'popular')"
        )
        transaction.run("insert into recommender.active_publication (publication_id, switched_at) values (1, now())")
    return database


def test_the_website_reads_the_three_views(published: Database) -> None:
    with published.transaction() as transaction:
        transaction.run("set local role website_reader")
        assert transaction.row("select current_user::text as me") == {"me": "website_reader"}
        assert transaction.rows(
            "select rank, experience_id from recommender.recommendations where user_id = 1 order by rank"
        ) == [
            {"rank": 1, "experience_id": 10},
            {"rank": 2, "experience_id": 11},
        ]
        assert transaction.rows("select experience_id, source from recommender.default_recommendations") == [
            {"experience_id": 10, "source": "popular"}
        ]
        assert transaction.rows("select publication_id, run_id from recommender.recommendation_status") == [
            {"publication_id": 1, "run_id": "a-run"}
        ]


def test_the_website_reads_nothing_else(published: Database) -> None:
    with published.transaction() as transaction:
        relations = [row["name"] for row in transaction.rows(RELATIONS)]
    assert len(relations) > 12
    assert "recommender.recommendation_1" in relations
    readable, refusals = [], []
    for relation in relations:
        try:
            with published.transaction() as transaction:
                transaction.run("set local role website_reader")
                transaction.count(relation)
            readable.append(relation)
        except ConfigurationError as error:
            refusals.append(error.cause)
    assert readable == VIEWS
    assert len(refusals) == len(relations) - len(VIEWS)
    assert all("permission denied" in cause for cause in refusals)


@pytest.mark.parametrize(
    "statement",
    [
        *(f"delete from {view}" for view in VIEWS),
        "update recommender.recommendations set rank = 1",
        "insert into recommender.recommendations (user_id, rank) values (1, 1)",
        "update recommender.active_publication set publication_id = 1",
        "create table recommender.mine (a int)",
        "create table public.mine (a int)",
        "drop view recommender.recommendations",
        "truncate recommender.recommendation",
        "set role recommender_writer",
    ],
)
def test_the_website_writes_nothing(published: Database, statement: str) -> None:
    role = f"website_{uuid.uuid4().hex}"
    with published.transaction() as transaction:
        transaction.define("create role {role} login in role website_reader", {"role": role})
    website = Database(published.url.set(username=role))
    try:
        with website.transaction() as transaction:
            assert transaction.count("recommender.recommendations") == 3
        with (
            pytest.raises(Exception, match=r"permission denied|must be owner|cannot (update|insert|delete)"),
            website.transaction() as transaction,
        ):
            transaction.run(statement)
    finally:
        with published.transaction() as transaction:
            transaction.define("drop role {role}", {"role": role})


@pytest.fixture
def job(database: Database) -> Iterator[Database]:
    """The database as an account that has the job's two roles and nothing else."""
    role = f"job_{uuid.uuid4().hex}"
    with database.transaction() as transaction:
        transaction.define("create role {role} login in role recommender_reader, recommender_writer", {"role": role})
    yield Database(database.url.set(username=role))
    with database.transaction() as transaction:
        transaction.define("drop owned by {role}", {"role": role})
        transaction.define("drop role {role}", {"role": role})


def test_the_job_can_read_the_source_and_keep_its_books(
    database: Database, job: Database, make_config: Callable[..., Config]
) -> None:
    with database.transaction() as transaction:
        transaction.run("insert into website.users values (1), (2)")
        transaction.run("insert into website.experiences (name, name_key) values ('A', 'a')")
        transaction.run(
            "insert into website.ratings (user_id, experience_id, rated_at, rating)"
            " values (1, 1, '2023-01-01', 5), (2, 1, '2023-01-01', 99)"
        )
    config = make_config({"database_url": plain_url(job.url)})
    run = Run.at(datetime(2023, 2, 1, tzinfo=UTC))
    folder = RunFolder(config.runs, run.folder)
    check_current(job)
    assert extract(config, run, folder, job)["snapshot"] == 2
    assert clean(config, run, folder, job)["rejected"] == 1


def test_the_job_can_make_and_drop_what_the_website_then_reads(
    database: Database, job: Database, make_partition: Callable[..., None], publish_row: Callable[[int], None]
) -> None:
    publish_row(1)
    make_partition(1, job)
    with database.transaction() as transaction:
        transaction.run("insert into recommender.active_publication (publication_id, switched_at) values (1, now())")
        transaction.run("set local role website_reader")
        assert transaction.count("recommender.recommendations") == 3
    assert partitions.drop(job, [1]) == [1]


def test_the_job_cannot_change_the_source(job: Database) -> None:
    for statement in (
        "insert into website.users values (1)",
        "delete from website.ratings",
        "drop schema website cascade",
    ):
        with (
            pytest.raises(ConfigurationError, match=r"permission denied|must be owner"),
            job.transaction() as transaction,
        ):
            transaction.run(statement)
