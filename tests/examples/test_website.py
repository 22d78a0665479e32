"""examples/website in a real browser, on a real database, with the rights of the website and no more."""

from __future__ import annotations

import contextlib
import os
import re
import runpy
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from benchmarks.contract import code_blocks
from recommender_job.storage.database import Database
from tests.browser.browser import NARROW, WIDE, browser_page, overflows, picture
from tests.e2e.stack import wait_until
from tests.publishing.by_hand import publish, website_account

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "website"


@dataclass(frozen=True)
class Website:
    url: str
    database: Database


@contextlib.contextmanager
def serving(database_url: str) -> Iterator[str]:
    """Serves the website in a process of its own; its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port), "--log-level", "critical"]
    with subprocess.Popen(command, cwd=FOLDER, env={**os.environ, "WEBSITE_DATABASE_URL": database_url}) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: answers(url), 120, "the website to come up")
            yield url
        finally:
            process.terminate()


def answers(url: str) -> bool:
    try:
        httpx.get(url, timeout=30)
    except httpx.TransportError:
        return False
    return True


@pytest.fixture(scope="module")
def website(server: sa.URL) -> Iterator[Website]:
    """With an account that has the role `website_reader` and no other."""
    with Database(server.set(database="postgres")).autocommit() as session:
        session.define("create database {name} template template", {"name": "example_website"})
    database = Database(server.set(database="example_website"))
    with website_account(database) as account, serving(account) as url:
        yield Website(url, database)


def test_before_the_first_night_it_says_so(website: Website) -> None:
    answer = httpx.get(website.url)
    assert (answer.status_code, "There are no recommendations yet" in answer.text) == (200, True)


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_a_users_row_and_everybody_elses(website: Website, width: int) -> None:
    cutoff = datetime.now(UTC) - timedelta(hours=3)
    publish(website.database, {42: (7, 5, 9, 8), -3: (1,)}, data_through=cutoff, name="Niña & <b>")
    with browser_page(website.url, width=width) as page:
        page.goto("/?user=42")
        cards = page.get_by_role("listitem")
        expect(cards).to_have_count(4)
        assert [card.locator("strong").inner_text() for card in cards.all()] == [f"Niña & <b>{n}" for n in (7, 5, 9, 8)]
        boxes = [box for box in (card.bounding_box() for card in cards.all()) if box]
        assert [box["x"] for box in boxes] == sorted({box["x"] for box in boxes}), "from left to right"
        assert len({box["y"] for box in boxes}) == 1
        expect(page.get_by_text(f"As of {cutoff:%Y-%m-%d %H:%M} UTC; your own list.")).to_be_visible()
        expect(page.get_by_role("alert")).to_have_count(0)
        picture(page, f"website-{width}")
        assert not overflows(page)
        page.get_by_label("User").fill("-3")
        page.get_by_role("button", name="Show").click()
        expect(cards).to_have_count(1)
        page.get_by_label("User").fill("41")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_role("heading")).to_have_text("Experiences that many like")
        expect(cards).to_have_count(3)
        expect(cards.first).to_contain_text("Niña & <b>90")


@pytest.mark.parametrize(
    "user",
    [
        "", "abc", "4.2", "42; drop table x", "\uff14\uff12", "9" * 30, str(2**63), str(-(2**63) - 1), "9" * 19,
        "<script>alert(1)</script>", "\0",
    ],
)  # fmt: skip
def test_what_is_no_user_id_gets_the_default_row(website: Website, user: str) -> None:
    publish(website.database, {42: (7, 5)})
    answer = httpx.get(website.url, params={"user": user})
    assert answer.status_code == 200
    assert re.findall("<strong>(.*?)</strong>", answer.text) == ["E90", "E91", "E92"]
    assert "<script>" not in answer.text


@pytest.mark.parametrize("user", [2**63 - 1, 10**18, -(2**63)])
def test_an_id_may_be_as_large_as_a_bigint(website: Website, user: int) -> None:
    publish(website.database, {user: (7, 5)})
    answer = httpx.get(website.url, params={"user": str(user)})
    assert re.findall("<strong>(.*?)</strong>", answer.text) == ["E7", "E5"]


def test_what_no_bigint_holds_is_nobody() -> None:
    """To PostgreSQL it would be a numeric, which no index of the lists helps to find."""
    names = runpy.run_path(str(FOLDER / "app.py"))
    largest = 2**63 - 1
    asked = (largest, largest + 1, -largest - 1, -largest - 2, 10**19)
    assert [names["user_id_of"](str(one)) for one in asked] == [largest, None, -largest - 1, None, None]


def test_old_lists_are_shown_with_a_warning(website: Website) -> None:
    publish(website.database, {42: (7, 5)}, data_through=datetime(2024, 1, 1, tzinfo=UTC))
    answer = httpx.get(website.url, params={"user": "42"})
    assert re.findall("<strong>(.*?)</strong>", answer.text) == ["E7", "E5"]
    assert re.search("are old: they should have been renewed by\\s+2024-01-02 12:00 UTC", answer.text)


def test_when_the_database_is_away_it_says_so() -> None:
    with serving("postgresql://web:hunter2@127.0.0.1:1/shop") as url:
        answer = httpx.get(url, params={"user": "42"})
    assert answer.status_code == 503
    assert "cannot be read right now" in answer.text
    assert "hunter2" not in answer.text


def test_it_reads_with_the_contracts_own_statements() -> None:
    def one_form(statement: str) -> str:
        return " ".join(statement.replace(":user_id", "42").split()).rstrip(";")

    _, _, _, one_statement, fresh = map(one_form, code_blocks("sql"))
    source = one_form((FOLDER / "app.py").read_text("utf-8"))
    assert one_statement in source
    assert fresh in source


def test_it_reads_with_the_rights_of_the_role_alone(server: sa.URL, website: Website) -> None:
    """Also where the account could do more, as that of the demo can."""
    code = (
        "import app, sqlalchemy as sa\n"
        "with app.engine().connect() as connection:\n"
        "    print(connection.scalar(sa.text('select current_user')))\n"
    )
    url = website.database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    environment = {**os.environ, "WEBSITE_DATABASE_URL": url}
    done = subprocess.run([sys.executable, "-c", code], cwd=FOLDER, env=environment, capture_output=True, check=True)
    assert done.stdout.decode().strip() == "website_reader"
