"""docs/table-contract.md: the very queries that stand there, run as the website would run them."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import psycopg2
import psycopg2.extras
import pytest

from benchmarks.contract import code_blocks, list_statement
from recommender_job.storage.database import Database
from tests.publishing.by_hand import DEFAULT, LONG_AGO, publish, rating_of, website_account
from tests.publishing.plans import nodes

WRITTEN_URL = "postgresql://web:password@host:5432/shop"
OWN = (7, 5, 9, 8)
PREDICTED = "predicted from the ratings of this user and of others"
GRANT, OWN_LIST, DEFAULT_LIST, ONE_STATEMENT, FRESH = code_blocks("sql")

Rows = list[dict[str, Any]]


@pytest.fixture
def web(database: Database) -> Iterator[str]:
    with website_account(database) as url:
        yield url


@pytest.fixture
def read(web: str) -> Iterator[Callable[..., Rows]]:
    """Runs a statement as the website."""
    with contextlib.closing(psycopg2.connect(web, cursor_factory=psycopg2.extras.RealDictCursor)) as connection:

        def work(statement: str) -> Rows:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement)
                return [dict(row) for row in cursor.fetchall()]

        yield work


def shown(experiences: tuple[int, ...], publication: int) -> Rows:
    """A list of the one statement, worked out by hand."""
    own = experiences == OWN
    return [
        {
            "rank": rank,
            "experience_id": one,
            "experience_name": f"E{one}",
            "predicted_rating": rating_of(rank) if own else 4.0,
            "source": "model" if own else "popular",
            "reason": PREDICTED if own else "liked by many",
            "publication_id": publication,
        }
        for rank, one in enumerate(experiences, start=1)
    ]


def without(rows: Rows, *columns: str) -> Rows:
    return [{key: value for key, value in row.items() if key not in columns} for row in rows]


def one_form(statement: str) -> str:
    """A statement as all languages write it: no layout, and one name for the parameter."""
    return " ".join(re.sub(r"user_id = (42|%\(user_id\)s|:user_id|\$1)", "user_id = ?", statement).split()).rstrip(";")


def as_written_with(block: str, url: str) -> dict[str, Any]:
    """Runs a Python block with another URL; what it has named in the end."""
    scheme = "postgresql+psycopg" if "postgresql+psycopg:" in block else "postgresql"
    written, given = WRITTEN_URL.replace("postgresql", scheme), url.replace("postgresql", scheme, 1)
    assert block.count(written) == 1
    names: dict[str, Any] = {}
    exec(compile(block.replace(written, given), "docs/table-contract.md", "exec"), names)
    return names


def test_a_users_own_list(database: Database, read: Callable[..., Rows]) -> None:
    publish(database, {42: (1, 2)})
    current = publish(database, {41: (1, 2), 42: OWN, 43: (3, 4)})
    assert read(OWN_LIST) == without(shown(OWN, current), "source", "publication_id")


def test_the_default_list(database: Database, read: Callable[..., Rows]) -> None:
    publish(database, {42: OWN}, default=(1, 2))
    current = publish(database, {42: OWN})
    assert read(DEFAULT_LIST) == without(shown(DEFAULT, current), "source", "publication_id")


def test_one_statement_shows_a_known_user_their_own_list(database: Database, read: Callable[..., Rows]) -> None:
    publish(database, {42: (1, 2)})
    current = publish(database, {41: (1, 2), 42: OWN, 43: (3, 4)})
    assert read(ONE_STATEMENT) == shown(OWN, current)


def test_one_statement_shows_a_stranger_the_default_list(database: Database, read: Callable[..., Rows]) -> None:
    publish(database, {42: OWN}, default=(1, 2))
    current = publish(database, {41: (1, 2)})
    assert read(ONE_STATEMENT) == shown(DEFAULT, current)


def test_before_the_first_night_there_are_no_rows(read: Callable[..., Rows]) -> None:
    assert [read(block) for block in (OWN_LIST, DEFAULT_LIST, ONE_STATEMENT, FRESH)] == [[], [], [], []]


def test_is_it_fresh(database: Database, read: Callable[..., Rows]) -> None:
    publish(database, {42: OWN})
    expired = LONG_AGO + timedelta(hours=36)
    assert read(FRESH) == [{"is_stale": True, "expires_at": expired, "data_through": LONG_AGO}]
    cutoff = datetime.now(UTC)
    publish(database, {42: OWN}, data_through=cutoff)
    expires = cutoff + timedelta(hours=36)
    assert read(FRESH) == [{"is_stale": False, "expires_at": expires, "data_through": cutoff}]


def test_the_grant(database: Database) -> None:
    with database.transaction() as transaction:
        transaction.run("create role web")
        transaction.run(GRANT)
        transaction.run("set local role web")
        assert transaction.count("recommender.default_recommendations") == 0
        transaction.run("reset role")
        transaction.run("drop role web")


def test_every_language_has_the_same_statement() -> None:
    python, alchemy = code_blocks("python")
    (node,) = code_blocks("javascript")
    texts = [re.findall(r'"""(.*?)"""|`(.*?)`', block, flags=re.DOTALL) for block in (python, alchemy, node)]
    assert [[one_form(a or b) for a, b in found] for found in texts] == [[one_form(ONE_STATEMENT)]] * 3


def test_from_python_with_psycopg(database: Database, web: str) -> None:
    current = publish(database, {42: OWN})
    block, _ = code_blocks("python")
    assert as_written_with(block, web)["rows"] == [tuple(row.values()) for row in shown(OWN, current)]
    current = publish(database, {41: OWN})
    assert as_written_with(block, web)["rows"] == [tuple(row.values()) for row in shown(DEFAULT, current)]


def test_from_python_with_sqlalchemy(database: Database, web: str) -> None:
    _, block = code_blocks("python")
    for user, expected in ((42, OWN), (41, DEFAULT)):
        current = publish(database, {user: OWN})
        names = as_written_with(block, web)
        names["engine"].dispose()
        assert [dict(row) for row in names["rows"]] == shown(expected, current)


def test_from_node(database: Database, web: str) -> None:
    """The package `pg` is not among the tools of the tests: its statement is prepared and run through asyncpg, which
    sends a server-side prepared statement with `$1` as `pg` does. The call itself is only read."""
    (block,) = code_blocks("javascript")
    (text,) = re.findall(r"const LIST = `(.*?)`;", block, flags=re.DOTALL)
    assert 'pool.query({ name: "list", text: LIST, values: [42] })' in block
    assert text.count("$") == 1
    assert f'new pg.Pool({{ connectionString: "{WRITTEN_URL}" }})' in block
    current = publish(database, {42: OWN})

    async def ask() -> list[Rows]:
        connection = await asyncpg.connect(web)
        try:
            prepared = await connection.prepare(text)
            return [[dict(row) for row in await prepared.fetch(user)] for user in (42, 41)]
        finally:
            await connection.close()

    assert asyncio.run(ask()) == [shown(OWN, current), shown(DEFAULT, current)]


@pytest.mark.parametrize("prepared", [False, True], ids=["plain", "prepared"])
def test_one_index_probe_for_each_read(database: Database, read: Callable[..., Rows], prepared: bool) -> None:
    """Among thousands of users and four publications; the planner is left alone."""
    for day in range(4):
        current = publish(database, {42: OWN}, run_id=f"night {day}", crowd=2000)
    explain = "explain (analyze, format json) "
    if prepared:  # the one plan for all users that a driver's prepared statement ends with
        statement = list_statement("$1")
        explain = f"set plan_cache_mode = force_generic_plan; prepare list (bigint) as {statement} {explain}"
    plan = read(explain + ("execute list (42)" if prepared else ONE_STATEMENT))[0]["QUERY PLAN"][0]["Plan"]
    assert plan["Actual Rows"] == len(OWN)
    ran = [node for node in nodes(plan) if node["Actual Loops"]]
    (probe,) = [node for node in ran if "Index Cond" in node]
    assert probe["Index Name"].startswith(f"recommendation_{current}_user_id_rank")
    assert (probe["Index Cond"].startswith("(user_id = "), probe["Actual Loops"], probe["Actual Rows"]) == (True, 1, 4)
    # Read whole is only the one row that says which publication is active; the default list is not looked at.
    tables = {node["Relation Name"]: node["Node Type"] for node in ran if "Relation Name" in node}
    assert tables.pop("active_publication") == "Seq Scan"
    assert list(tables) == [f"recommendation_{current}"]
    assert tables[f"recommendation_{current}"] in ("Index Scan", "Bitmap Heap Scan")
    partitions = [node for node in nodes(plan) if str(node.get("Relation Name")).startswith("recommendation_")]
    assert len(partitions) == 4, "the others are in the plan, and were not executed"
