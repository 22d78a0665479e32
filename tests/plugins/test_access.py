"""Who gets in: Airflow's own login, and the rights that its auth manager gives on the nightly DAG."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from recommender_job.publishing.publications import status
from recommender_job.storage.database import Database
from tests.plugins.conftest import SignIn

PATHS = ["", "list?user=42", "report/latest", "report/night-a", "runbook", "rollback/1"]


@pytest.mark.parametrize("path", PATHS)
def test_nobody_is_sent_to_airflows_login_and_back(sign_in: SignIn, two_nights: tuple[int, int], path: str) -> None:
    answer = sign_in("").get(f"/recommendations/{path}")
    assert answer.status_code == 303
    back = f"/recommendations/{path}".replace("/", "%2F").replace("?", "%3F").replace("=", "%3D")
    assert answer.headers["location"] == f"/api/v2/auth/login?next={back}"
    assert answer.text == "", "nothing of what is there is shown"


@pytest.mark.parametrize("path", PATHS)
def test_a_forged_cookie_is_nobody(sign_in: SignIn, path: str) -> None:
    client = sign_in("")
    client.cookies.set("_token", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEiLCJyb2xlIjoiYWRtaW4ifQ.")
    assert client.get(f"/recommendations/{path}").status_code == 303


def test_a_token_in_the_header_does_as_well(sign_in: SignIn, two_nights: tuple[int, int]) -> None:
    cookie = sign_in("vera").cookies["_token"]
    answer = sign_in("").get("/recommendations/", headers={"Authorization": f"Bearer {cookie}"})
    assert answer.status_code == 200


def test_whoever_may_not_see_the_dag_sees_nothing(
    sign_in: SignIn, two_nights: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The simple auth manager shows every DAG to everybody; others, asked the same question, do not."""
    from airflow.api_fastapi.app import get_auth_manager

    asked: list[tuple[str, str]] = []

    def refuse(*, method: str, details: object, user: object, access_entity: object = None) -> bool:
        asked.append((method, str(getattr(details, "id", None))))
        return False

    monkeypatch.setattr(get_auth_manager(), "is_authorized_dag", refuse)
    answer = sign_in("ada").get("/recommendations/")
    assert answer.status_code == 403
    assert "Not allowed" in answer.text
    assert "Fresh" not in answer.text
    assert asked == [("GET", "nightly_recommendations")]


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_viewer_may_not_roll_back(
    sign_in: SignIn, database: Database, two_nights: tuple[int, int], method: str
) -> None:
    call: Callable[..., object] = getattr(sign_in("vera"), method)
    answer = call(f"/recommendations/rollback/{two_nights[0]}")
    assert answer.status_code == 403
    assert "right to edit the DAG" in answer.text
    assert status(database)["publication_id"] == two_nights[1]


def test_below_a_path_links_lead_there(sign_in: SignIn) -> None:
    answer = sign_in("").get("/tools/airflow/recommendations/")
    assert answer.headers["location"].startswith("/tools/airflow/api/v2/auth/login?next=%2Ftools%2Fairflow%2Frec")
    page = sign_in("vera").get("/tools/airflow/recommendations/")
    assert 'href="/tools/airflow/recommendations/runbook"' in page.text
    assert 'href="/tools/airflow/dags/nightly_recommendations"' in page.text
