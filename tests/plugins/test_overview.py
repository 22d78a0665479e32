"""The overview: what is live and how fresh, what is kept, and the nights."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from recommendations.showing import distance
from recommendations.sparkline import sparkline

from recommender_job.storage.database import Database
from tests.plugins.conftest import SignIn
from tests.publishing.by_hand import publish


def test_before_the_first_night(sign_in: SignIn) -> None:
    page = sign_in("vera").get("/recommendations/")
    assert page.status_code == 200
    assert "Nothing is live" in page.text
    assert "/recommendations/runbook#notpublished" in page.text
    assert "<svg" not in page.text


def test_what_is_live_and_fresh(sign_in: SignIn, two_nights: tuple[int, int]) -> None:
    page = sign_in("vera").get("/recommendations/")
    assert "Fresh until" in page.text
    assert "Stale" not in page.text
    assert f"<dt>Publication</dt><dd>{two_nights[1]}</dd>" in page.text
    assert "1 day ago" in page.text or "24 hours ago" in page.text
    assert "America/Bogota" in page.text


def test_stale(sign_in: SignIn, database: Database) -> None:
    publish(database, {42: (1, 2)}, data_through=datetime(2024, 1, 1, 7, tzinfo=UTC))
    page = sign_in("vera").get("/recommendations/")
    assert "Stale since 2024-01-02 14:00" in page.text, "36 hours later, on the clocks of Bogota"
    assert "/recommendations/runbook#stalerecommendations" in page.text


def test_who_let_a_blocked_model_through_and_why(
    sign_in: SignIn, database: Database, two_nights: tuple[int, int]
) -> None:
    with database.transaction() as transaction:
        transaction.run(
            "update recommender.publication set override_by = 'olga', override_reason = 'worse by <0.01>',"
            " override_at = '2024-01-02 15:00+00' where publication_id = :older",
            older=two_nights[0],
        )
    text = sign_in("vera").get("/recommendations/").text
    assert text.count("approved by olga, 2024-01-02 10:00: worse by &lt;0.01&gt;") == 1
    assert text.count("approved by") == 1


def test_the_nights_are_there_newest_first_and_escaped(sign_in: SignIn, two_nights: tuple[int, int]) -> None:
    text = sign_in("vera").get("/recommendations/").text
    nights = text[text.index("<h2>Nights") :]
    places = [nights.index(f">night-{which}<") for which in "dcba"]
    assert places == sorted(places)
    assert "RMSE 1.2 lies above the bound &lt;1.0&gt;" in nights
    assert nights.count(">report</a>") == 3, "the failed one has none"
    assert nights.count('class="night"') == 2
    assert nights.count('class="not-passed"') == 1


def test_a_run_that_airflow_has_is_linked(sign_in: SignIn, two_nights: tuple[int, int], airflow_run: str) -> None:
    text = sign_in("vera").get("/recommendations/").text
    assert f'href="/dags/nightly_recommendations/runs/{airflow_run}" target="_top"' in text
    assert "/runs/night-a" not in text


@pytest.mark.parametrize(("who", "may"), [("ada", True), ("olga", True), ("uma", True), ("vera", False)])
def test_only_those_who_may_edit_the_dag_see_a_way_back(
    sign_in: SignIn, database: Database, two_nights: tuple[int, int], who: str, may: bool
) -> None:
    dry = publish(database, {42: (7, 8)}, run_id="dry", shown=False)
    text = sign_in(who).get("/recommendations/").text
    assert (f'href="/recommendations/rollback/{two_nights[0]}"' in text) == may
    assert f"/rollback/{two_nights[1]}" not in text, "it is live"
    assert f"/rollback/{dry}" not in text, "it was never shown"
    assert "never shown" in text


def test_pages_let_nothing_in_from_outside(sign_in: SignIn, two_nights: tuple[int, int]) -> None:
    page = sign_in("ada").get("/recommendations/")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'self'" in policy
    assert page.headers["cache-control"] == "no-store"
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert " style=" not in page.text


@pytest.mark.parametrize("name", ["page.css", "page.js", "icon.svg", "icon-dark.svg"])
def test_what_the_page_loads_is_there(sign_in: SignIn, name: str) -> None:
    assert sign_in("").get(f"/recommendations/static/{name}").status_code == 200


def test_sparkline_lays_out_rmse_and_bound() -> None:
    day = datetime(2024, 1, 1, tzinfo=UTC)

    def night(number: int, rmse: float | None, bound: float | None, outcome: str = "published") -> dict[str, object]:
        return {"cutoff": day + timedelta(days=number), "rmse": rmse, "max_rmse": bound, "outcome": outcome}

    chart = sparkline([night(3, 0.5, 1.0), night(2, None, None, "failed"), night(1, 1.5, 1.0, "blocked")], "UTC")
    assert chart is not None
    assert [(point.x, point.y, point.passed) for point in chart.points] == [(10, 10, False), (590, 110, True)]
    assert chart.bounds == "10.0,60.0 590.0,60.0"
    assert chart.line == "10.0,10.0 590.0,110.0"
    assert chart.points[0].title == "2024-01-02: RMSE 1.5000, blocked"
    assert sparkline([night(1, 0.5, None)], "UTC") is None
    flat = sparkline([night(1, 0.5, None), night(2, 0.5, None)], "UTC")
    assert flat is not None
    assert (flat.bounds, flat.line) == ("", "10.0,10.0 590.0,10.0")


def test_the_chart_tells_the_days_of_the_jobs_zone() -> None:
    evening = datetime(2024, 1, 2, 2, tzinfo=UTC)  # of the first of January in Bogota
    night = {"cutoff": evening, "rmse": 0.5, "max_rmse": 1.0, "outcome": "published"}
    chart = sparkline([night, night], "America/Bogota")
    assert chart is not None
    assert [point.title for point in chart.points] == ["2024-01-01: RMSE 0.5000, published"] * 2


@pytest.mark.parametrize(
    ("back", "words"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(minutes=119), "119 minutes ago"),
        (timedelta(hours=2), "2 hours ago"),
        (timedelta(hours=47, minutes=59), "47 hours ago"),
        (timedelta(days=2), "2 days ago"),
        (timedelta(hours=-12), "in 12 hours"),
    ],
)
def test_distance_in_words(back: timedelta, words: str) -> None:
    now = datetime(2024, 5, 1, tzinfo=UTC)
    assert distance(now - back, now) == words
