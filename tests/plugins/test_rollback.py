"""Going back: a page that asks, a token that cannot be forged or reused elsewhere, and a line in the audit log."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from recommendations.airflow_records import record

from recommender_job.publishing.publications import lists_of, lock, status, switch
from recommender_job.storage.database import Database
from tests.plugins.conftest import SignIn
from tests.publishing.by_hand import publish

Line = tuple[str, str, str, Any]


@pytest.fixture
def audit(airflow_app: object) -> Callable[[], list[Line]]:
    """Reads Airflow's audit log, empty at first: event, DAG, owner, and what is further told."""
    from airflow.models.log import Log
    from airflow.utils.session import create_session

    with create_session() as session:
        session.execute(sa.delete(Log))

    def read() -> list[Line]:
        with create_session() as session:
            rows = session.scalars(sa.select(Log).order_by(Log.id)).all()
            return [(row.event, row.dag_id, row.owner, json.loads(row.extra)) for row in rows]

    return read


def form_token(text: str) -> str:
    (found,) = re.findall(r'name="token" value="([^"]+)"', text)
    return str(found)


def test_going_back(
    sign_in: SignIn, database: Database, two_nights: tuple[int, int], audit: Callable[[], list[Line]]
) -> None:
    older, newer = two_nights
    client = sign_in("uma")
    asked = client.get(f"/recommendations/rollback/{older}")
    assert asked.status_code == 200
    assert f"Show publication {older}?" in asked.text
    assert status(database)["publication_id"] == newer, "asking changes nothing"
    done = client.post(f"/recommendations/rollback/{older}", data={"token": form_token(asked.text)})
    assert done.status_code == 200
    assert f"Publication {older} is live" in done.text
    assert f"instead of publication {newer}" in done.text
    assert [row["experience_id"] for row in lists_of(database, 42)["recommendations"]] == [1, 2]
    assert audit() == [
        (
            "rollback_recommendations",
            "nightly_recommendations",
            "uma",
            {"publication_id": older, "previous": newer},
        )
    ]


def test_going_forward_again(sign_in: SignIn, database: Database, two_nights: tuple[int, int]) -> None:
    older, newer = two_nights
    client = sign_in("olga")
    for target in (older, newer):
        token = form_token(client.get(f"/recommendations/rollback/{target}").text)
        assert client.post(f"/recommendations/rollback/{target}", data={"token": token}).status_code == 200
    assert status(database)["publication_id"] == newer


@pytest.mark.parametrize("forged", ["", "nonsense", "eyJ.x.y"])
def test_without_the_pages_token_nothing_happens(
    sign_in: SignIn, database: Database, two_nights: tuple[int, int], audit: Callable[[], list[Line]], forged: str
) -> None:
    answer = sign_in("ada").post(f"/recommendations/rollback/{two_nights[0]}", data={"token": forged} if forged else {})
    assert answer.status_code == 409
    assert "Nothing was changed" in answer.text
    assert status(database)["publication_id"] == two_nights[1]
    assert audit() == []


def test_a_token_is_for_one_user_and_one_publication(
    sign_in: SignIn, database: Database, two_nights: tuple[int, int]
) -> None:
    older, newer = two_nights
    oldest = publish(database, {42: (9,)}, shown=False)
    of_olga = form_token(sign_in("olga").get(f"/recommendations/rollback/{older}").text)
    ada = sign_in("ada")
    assert ada.post(f"/recommendations/rollback/{older}", data={"token": of_olga}).status_code == 409
    of_ada = form_token(ada.get(f"/recommendations/rollback/{older}").text)
    assert ada.post(f"/recommendations/rollback/{oldest}", data={"token": of_ada}).status_code == 409
    assert status(database)["publication_id"] == newer


def test_a_token_goes_out_of_date(
    sign_in: SignIn, database: Database, two_nights: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, path = sign_in("ada"), f"/recommendations/rollback/{two_nights[0]}"
    token = form_token(client.get(path).text)
    monkeypatch.setattr("recommendations.tokens.LIFETIME", -1)
    assert client.post(path, data={"token": token}).status_code == 409
    assert status(database)["publication_id"] == two_nights[1]


def test_when_a_night_published_meanwhile_it_asks_again(
    sign_in: SignIn, database: Database, two_nights: tuple[int, int]
) -> None:
    client, path = sign_in("ada"), f"/recommendations/rollback/{two_nights[0]}"
    token = form_token(client.get(path).text)
    newest = publish(database, {42: (9, 8)}, run_id="night-e")
    answer = client.post(path, data={"token": token})
    assert (answer.status_code, "no longer current" in answer.text) == (409, True)
    assert status(database)["publication_id"] == newest
    assert client.post(path, data={"token": form_token(answer.text)}).status_code == 200


def test_a_night_that_switches_between_looking_and_going_back_is_not_undone(
    sign_in: SignIn, database: Database, two_nights: tuple[int, int], audit: Callable[[], list[Line]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    client, path = sign_in("ada"), f"/recommendations/rollback/{two_nights[0]}"
    token = form_token(client.get(path).text)
    newest = []

    def and_a_night_ends(*arguments: Any, **details: Any) -> None:
        if not newest:
            newest.append(publish(database, {42: (9, 8)}, run_id="night-e"))
        record(*arguments, **details)

    monkeypatch.setattr("recommendations.rollback.record", and_a_night_ends)
    answer = client.post(path, data={"token": token})
    assert (answer.status_code, "no longer current" in answer.text) == (409, True)
    assert [status(database)["publication_id"]] == newest
    assert [line[0] for line in audit()] == ["rollback_recommendations", "rollback_recommendations_failed"]
    assert f"By now publication {newest[0]} is active" in audit()[1][3]["cause"]


def test_a_server_that_only_reads_is_on_the_record_and_explained(
    sign_in: SignIn, database: Database, two_nights: tuple[int, int], audit: Callable[[], list[Line]]
) -> None:
    client, path = sign_in("ada"), f"/recommendations/rollback/{two_nights[0]}"
    token = form_token(client.get(path).text)
    name = database.url.database
    with Database(database.url.set(database="postgres")).autocommit() as session:  # as after a switch to a standby
        session.define("alter database {name} set default_transaction_read_only = on", {"name": str(name)})
    answer = client.post(path, data={"token": token})
    assert (answer.status_code, "read-only transaction" in answer.text) == (503, True)
    assert "/recommendations/runbook#databaseaway" in answer.text
    assert [line[0] for line in audit()] == ["rollback_recommendations", "rollback_recommendations_failed"]
    assert "read-only transaction" in audit()[1][3]["cause"]


def test_an_error_that_nobody_expected_is_on_the_record_by_its_kind(
    sign_in: SignIn, two_nights: tuple[int, int], audit: Callable[[], list[Line]], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, path = sign_in("ada"), f"/recommendations/rollback/{two_nights[0]}"
    token = form_token(client.get(path).text)

    def broken(*arguments: Any, **options: Any) -> None:
        raise RuntimeError("hunter2")

    monkeypatch.setattr("recommender_job.publishing.publications.switch", broken)
    assert client.post(path, data={"token": token}).status_code == 500
    assert [(line[0], line[3].get("cause")) for line in audit()] == [
        ("rollback_recommendations", None),
        ("rollback_recommendations_failed", "RuntimeError"),
    ]


def test_a_failure_that_cannot_be_written_down_hides_no_other(
    sign_in: SignIn, database: Database, two_nights: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, path = sign_in("ada"), f"/recommendations/rollback/{two_nights[0]}"
    token = form_token(client.get(path).text)

    def once(event: str, *arguments: Any, **details: Any) -> None:
        if event.endswith("_failed"):
            raise OSError("the metadata database is away")

    monkeypatch.setattr("recommendations.rollback.record", once)
    with database.transaction() as transaction:
        lock(transaction)
        answer = client.post(path, data={"token": token})
    assert (answer.status_code, "Another run is publishing right now." in answer.text) == (503, True)


def test_what_is_live_already_needs_no_switch(sign_in: SignIn, two_nights: tuple[int, int]) -> None:
    answer = sign_in("ada").get(f"/recommendations/rollback/{two_nights[1]}")
    assert "is live already" in answer.text
    assert "<button" not in answer.text


def test_a_night_that_publishes_right_now(
    sign_in: SignIn, database: Database, two_nights: tuple[int, int], audit: Callable[[], list[Line]]
) -> None:
    client, path = sign_in("ada"), f"/recommendations/rollback/{two_nights[0]}"
    token = form_token(client.get(path).text)
    with database.transaction() as transaction:
        lock(transaction)
        answer = client.post(path, data={"token": token})
        switch(transaction, two_nights[1])
    assert answer.status_code == 503
    assert "Another run is publishing right now." in answer.text
    assert "/recommendations/runbook#publicationbusy" in answer.text
    assert [line[0] for line in audit()] == ["rollback_recommendations", "rollback_recommendations_failed"]


def test_a_publication_that_is_not_kept(sign_in: SignIn, two_nights: tuple[int, int]) -> None:
    answer = sign_in("ada").get("/recommendations/rollback/999")
    assert answer.status_code == 404
    assert f"There is no publication 999; kept are: {two_nights[1]}, {two_nights[0]}." in answer.text
    assert sign_in("ada").get("/recommendations/rollback/x").status_code == 404


def test_no_record_no_switch(
    sign_in: SignIn, database: Database, two_nights: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, path = sign_in("ada"), f"/recommendations/rollback/{two_nights[0]}"
    token = form_token(client.get(path).text)

    def broken(*args: object, **details: object) -> None:
        raise OSError("the metadata database is away")

    monkeypatch.setattr("recommendations.rollback.record", broken)
    answer = client.post(path, data={"token": token})
    assert (answer.status_code, "This page has failed" in answer.text) == (500, True)
    assert status(database)["publication_id"] == two_nights[1]
