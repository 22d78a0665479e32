"""`recommender-job publications …` and `status`, on publications made by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest

from recommender_job.storage.database import Database, plain_url
from tests.publishing.by_hand import LONG_AGO, publish

Call = Callable[..., Any]


@pytest.fixture(autouse=True)
def _environment(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMMENDER_DATABASE_URL", plain_url(database.url))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def three(database: Database) -> Database:
    """Two nights, and a dry run of the third that is not shown."""
    publish(database, {1: (10, 11), 2: (10, 11)}, run_id="first")
    publish(database, {1: (10, 11), 2: (11, 10)}, run_id="second", data_through=LONG_AGO + timedelta(days=1))
    later = LONG_AGO + timedelta(days=2)
    publish(database, {1: (10, 12), 3: (10, 11)}, run_id="dry", data_through=later, shown=False)
    return database


@pytest.fixture
def reader(three: Database) -> Iterator[Any]:
    """Somebody who has just read the first publication and keeps the transaction open."""
    connection = psycopg2.connect(plain_url(three.url))
    connection.cursor().execute("select count(*) from recommender.recommendation_1")
    yield connection
    connection.close()


def active(database: Database) -> int:
    with database.transaction() as transaction:
        return int(transaction.rows("select publication_id as id from recommender.active_publication")[0]["id"])


def test_list(call: Call, three: Database) -> None:
    rows = call("publications", "list", "--json").json["publications"]
    assert [(row["publication_id"], row["run_id"], row["is_active"]) for row in rows] == [
        (3, "dry", False),
        (2, "second", True),
        (1, "first", False),
    ]
    told = call("publications", "list")
    assert told.out.startswith("Publications")
    assert "second" in told.out


def test_rollback(call: Call, three: Database) -> None:
    assert call("publications", "rollback", "--json").json == {"publication_id": 1, "previous": 2}
    assert active(three) == 1
    nowhere = call("publications", "rollback", "--json")
    assert (nowhere.code, nowhere.json["error"]["type"]) == (1, "NotPublished")
    assert call("publications", "rollback", 2).out == "publication 2 is active, 1 was\n"
    assert active(three) == 2


def test_activate(call: Call, three: Database) -> None:
    assert call("publications", "activate", 3, "--json").json == {"publication_id": 3, "previous": 2}
    assert active(three) == 3
    refused = call("publications", "activate", 1, "--json")
    assert (refused.code, refused.json["error"]["type"]) == (1, "RunTooOld")
    assert "recommender-job publications rollback 1" in refused.line
    assert active(three) == 3
    assert call("publications", "activate", 1, "--force").out == "publication 1 is active, 3 was\n"
    assert active(three) == 1


def test_activate_the_first(call: Call, database: Database) -> None:
    publish(database, {1: (10,)}, shown=False)
    assert call("publications", "activate", 1).out == "publication 1 is active, nothing was\n"


def test_prune(call: Call, three: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call("publications", "prune", "--json").json == {"pruned": [], "held": [], "kept": [3, 2, 1]}
    monkeypatch.setenv("RECOMMENDER_KEEP_PUBLICATIONS", "1")
    assert call("publications", "prune", "--keep", 2, "--json").json["pruned"] == []
    # What was live before stays in any case.
    assert call("publications", "prune").out == "dropped: none; kept: 3, 2, 1\n"
    publish(three, {1: (10,)}, run_id="fourth", data_through=LONG_AGO + timedelta(days=3))
    assert call("publications", "prune").out == "dropped: 1; kept: 4, 3, 2\n"
    assert call("publications", "prune").out == "dropped: none; kept: 4, 3, 2\n"
    assert active(three) == 4


def test_prune_says_what_a_reader_holds(call: Call, three: Database, reader: Any) -> None:
    from recommender_job.storage import partitions

    publish(three, {1: (10,)}, run_id="another")
    with three.transaction() as transaction:  # the reader's patience and the job's are tested with the partitions
        transaction.run("delete from recommender.publication where publication_id = 1")
    assert partitions.drop(three, [1], patience_seconds=1) == []
    told = call_impatiently(call, three, "publications", "prune", "--keep", 9)
    assert told.out.splitlines() == [
        "dropped: none; kept: 4, 3, 2",
        "a reader still looks at: 1; the next night or `prune` drops what is left",
    ]
    reader.rollback()
    assert call("publications", "prune", "--keep", 9, "--json").json == {"pruned": [1], "held": [], "kept": [4, 3, 2]}


def call_impatiently(call: Call, database: Database, *arguments: object) -> Any:
    from recommender_job.storage import partitions

    patient = partitions.drop
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partitions, "drop", lambda database, ids: patient(database, ids, patience_seconds=1))
        return call(*arguments)


def test_diff(call: Call, three: Database) -> None:
    found = call("publications", "diff", 2, 3, "--json").json
    assert found["users"] == {"both": 1, "only_a": 1, "only_b": 1}
    assert (found["a"]["run_id"], found["b"]["run_id"], found["b"]["published_at"]) == ("second", "dry", None)
    assert (found["mean_overlap"], found["identical_lists"], found["mean_rating_change"]) == (0.5, 0, 0)
    told = call("publications", "diff", 2, 3)
    assert told.out.startswith("From publication 2 to 3")
    for word in ("mean_overlap", "0.5000", "E12", "second", "users: only_b"):
        assert word in told.out
    same = call("publications", "diff", 2, 2)
    assert (same.code, same.err) == (0, "")
    missing = call("publications", "diff", 2, 9, "--json")
    assert (missing.code, missing.json["error"]["type"]) == (1, "NotPublished")
    assert "kept are: 3, 2, 1" in missing.line


@pytest.mark.parametrize("json", [True, False])
def test_status_ends_with_four_when_the_lists_are_stale(call: Call, database: Database, json: bool) -> None:
    option = ["--json"] if json else []
    nothing = call("status", *option)
    assert (nothing.code, nothing.line.split(":")[0]) == (1, "NotPublished")
    publish(database, {1: (10,)}, data_through=datetime.now(UTC) - timedelta(hours=35))
    fresh = call("status", *option)
    assert (fresh.code, fresh.err) == (0, "")
    publish(database, {1: (10,)}, data_through=datetime.now(UTC) - timedelta(hours=37))
    stale = call("status", *option)
    assert (stale.code, stale.err) == (4, "")
    if json:
        assert (fresh.json["is_stale"], stale.json["is_stale"], stale.json["publication_id"]) == (False, True, 2)
    else:
        assert stale.out.startswith("Live")
