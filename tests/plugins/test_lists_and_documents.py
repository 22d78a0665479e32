"""Anybody's list, the reports, the runbook, and what is shown when something is away."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from recommendations.runbook import DOCS, anchor, rendered

from recommender_job import errors
from recommender_job.storage.database import Database
from tests.plugins.conftest import SignIn

PAGE = b"<!doctype html><title>R</title><style>p{color:red}</style><p>Ni\xc3\xb1a</p>"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of all runs; beside it lies a report that nobody may get."""
    folder = tmp_path / "var" / "runs"
    for place in (folder / "night-b", folder, folder.parent):
        (place / "report").mkdir(parents=True)
        (place / "report" / "report.html").write_bytes(PAGE if place.name == "night-b" else b"a secret")
    monkeypatch.setenv("RECOMMENDER_RUNS_URL", str(folder))
    return folder


def names(text: str) -> list[tuple[str, str]]:
    """Rank and name of each card, in the order of the page."""
    return re.findall(r'class="rank">(\d+)</span>\s*<strong>(.*?)</strong>', text)


def test_a_users_own_list(sign_in: SignIn, two_nights: tuple[int, int]) -> None:
    text = sign_in("vera").get("/recommendations/list", params={"user": " 42 "}).text
    assert names(text) == [("1", "Café &lt;b&gt;3"), ("2", "Café &lt;b&gt;4")]
    assert "The user's own list" in text
    assert '<span class="rating" title="predicted rating">4.75</span>' in text


@pytest.mark.parametrize("user", ["7", "-7", str(2**63 - 1)])
def test_a_stranger_gets_the_default_row_and_it_says_so(
    sign_in: SignIn, two_nights: tuple[int, int], user: str
) -> None:
    text = sign_in("vera").get("/recommendations/list", params={"user": user}).text
    assert f"<h2>User {user}</h2>" in text
    assert "No list of their own" in text
    assert [rank for rank, _ in names(text)] == ["1", "2", "3"]


def test_visitors_row(sign_in: SignIn, two_nights: tuple[int, int]) -> None:
    text = sign_in("vera").get("/recommendations/list").text
    assert "<h2>The default row</h2>" in text
    assert [name for _, name in names(text)] == [f"Café &lt;b&gt;{one}" for one in (90, 91, 92)]


@pytest.mark.parametrize("user", ["abc", "4.2", "\uff11\uff12", "--1", str(2**63), "9" * 5000, "<script>"])
def test_what_is_no_id_is_said_to_be_none(sign_in: SignIn, two_nights: tuple[int, int], user: str) -> None:
    answer = sign_in("vera").get("/recommendations/list", params={"user": user})
    assert answer.status_code == 422
    assert "is not a user id" in answer.text
    assert "<script>" not in answer.text
    assert names(answer.text) == []


def test_before_the_first_night_lists_are_empty(sign_in: SignIn) -> None:
    client = sign_in("vera")
    assert "nothing has been published yet" in client.get("/recommendations/list").text
    answer = client.get("/recommendations/list?user=42")
    assert (answer.status_code, "#notpublished" in answer.text) == (404, True)


def test_a_report_is_served_as_it_is_and_may_do_nothing(
    sign_in: SignIn, two_nights: tuple[int, int], runs: Path
) -> None:
    answer = sign_in("vera").get("/recommendations/report/night-b")
    assert (answer.status_code, answer.content) == (200, PAGE)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert "script-src" not in policy
    assert policy["img-src"] == "data:"


def test_the_latest_report_is_the_last_that_is_there(sign_in: SignIn, two_nights: tuple[int, int], runs: Path) -> None:
    answer = sign_in("vera").get("/recommendations/report/latest")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/recommendations/report/night-b", "night-c's folder is gone"


@pytest.mark.parametrize(
    "run_id",
    ["latest", "night-a", "%2E%2E", "%2E", "..%2F..%2Fetc", "%2E%2E%2Fruns", "%2Fetc%2Fpasswd", "x%00y", "...", "%20"],
)
def test_no_report_and_no_way_out_of_the_folder(sign_in: SignIn, runs: Path, run_id: str) -> None:
    answer = sign_in("vera").get(f"/recommendations/report/{run_id}")
    assert answer.status_code == 404
    assert "secret" not in answer.text
    assert "Back to the overview" in answer.text


def test_every_error_has_a_place_on_the_runbook_page(sign_in: SignIn) -> None:
    text = sign_in("vera").get("/recommendations/runbook").text
    places = re.findall(r'<h\d id="([^"]+)">', text)
    assert len(places) == len(set(places)) > 30
    concrete = [
        one.__name__.lower()
        for _, one in inspect.getmembers(errors, inspect.isclass)
        if issubclass(one, errors.RecommenderError) and not one.__subclasses__()
    ]
    assert len(concrete) > 15
    assert set(concrete) <= set(places)
    for target in re.findall(r'href="#([^"]+)"', text):
        assert target in places


def test_documents_link_each_other(sign_in: SignIn) -> None:
    client = sign_in("vera")
    text = client.get("/recommendations/runbook").text
    assert "<table>" in text
    file, place = re.findall(r'href="(table-contract\.md)#([^"]+)"', text)[0]
    assert f'id="{place}"' in client.get(f"/recommendations/{file}").text
    assert client.get("/recommendations/runbook.md").status_code == 200
    assert client.get("/recommendations/CHANGELOG.md").status_code == 404


def test_runbook_that_was_not_installed(sign_in: SignIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert (DOCS / "runbook.md").is_file()
    monkeypatch.setattr("recommendations.runbook.DOCS", tmp_path)
    assert sign_in("vera").get("/recommendations/runbook").status_code == 404


def test_markdown() -> None:
    assert rendered("# Why, or `why not`?\n\n# A b\n\n# A b\n") == (
        '<h1 id="why-or-why-not">Why, or <code>why not</code>?</h1>\n<h1 id="a-b">A b</h1>\n<h1 id="a-b-1">A b</h1>\n'
    )
    assert "<script>" not in rendered("a <script>x</script> [l](javascript:alert(1))")
    assert 'href="javascript' not in rendered("[l](javascript:alert(1))")
    assert anchor("Letting the gate's bound, für_alle") == "letting-the-gates-bound-für_alle"


def test_a_wrong_setting_is_explained(sign_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    client = sign_in("vera")
    monkeypatch.setenv("RECOMMENDER_TOP_N", "0")
    answer = client.get("/recommendations/")
    assert answer.status_code == 500
    assert "Setting `top_n`" in answer.text
    assert "/recommendations/runbook#configurationerror" in answer.text


def test_a_database_that_is_away_is_explained(
    sign_in: SignIn, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sign_in("vera")
    monkeypatch.setenv("RECOMMENDER_DATABASE_URL", "postgresql://job:hunter2@127.0.0.1:1/shop")
    for path in ("", "list?user=1", "rollback/1"):
        answer = (sign_in("ada") if path.startswith("roll") else client).get(f"/recommendations/{path}")
        assert answer.status_code == 503
        assert "#databaseaway" in answer.text
        assert "hunter2" not in answer.text
    assert client.get("/recommendations/runbook").status_code == 200, "it is needed most then"
