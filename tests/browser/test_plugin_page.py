"""The page "Recommendations" as people meet it: inside Airflow, in a real browser, wide and narrow, light and dark."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from recommender_job.publishing.publications import status
from tests.browser.browser import NARROW, WIDE, browser_page, log_in, open_recommendations, overflows, picture
from tests.browser.conftest import Stack


def test_looking_up_a_list_and_going_back(stack: Stack) -> None:
    with browser_page(stack.url) as page:
        page.goto("/")
        log_in(page, "olga", stack.passwords["olga"])
        inside = open_recommendations(page)
        expect(inside.get_by_role("heading", level=1)).to_contain_text("Fresh until")
        picture(page, "overview-in-airflow")

        inside.get_by_label("What does the website show user").fill("42")
        inside.get_by_role("button", name="Show", exact=True).click()
        cards = inside.get_by_role("listitem")
        expect(cards).to_have_count(10)
        expect(cards.first).to_contain_text("Café 5")
        boxes = [box for box in (card.bounding_box() for card in cards.all()) if box]
        assert [box["x"] for box in boxes] == sorted({box["x"] for box in boxes}), "from left to right"
        assert len({box["y"] for box in boxes}) == 1, "in one row"
        picture(page, "list-in-airflow")

        inside.get_by_role("link", name="Overview").click()
        inside.get_by_role("link", name="Show again…").click()
        expect(inside.get_by_role("heading", level=1)).to_have_text(f"Show publication {stack.older}?")
        picture(page, "rollback-asks")
        inside.get_by_role("button", name=f"Show publication {stack.older} now").click()
        expect(inside.get_by_role("heading", level=1)).to_contain_text(f"Publication {stack.older} is live")
        picture(page, "rollback-done")
        assert status(stack.database)["publication_id"] == stack.older

        page.goto("/events")
        entry = page.get_by_role("row").filter(has_text="rollback_recommendations")
        expect(entry).to_contain_text("olga")
        picture(page, "audit-log")


def test_a_report_runs_nothing_and_a_link_to_airflow_leaves_the_frame(stack: Stack) -> None:
    with browser_page(stack.url) as page:
        page.goto("/")
        log_in(page, "vera", stack.passwords["vera"])
        inside = open_recommendations(page)
        inside.get_by_role("link", name="Latest report").click()
        expect(inside.get_by_role("heading", level=1)).to_have_text("The report of night-b")
        assert page.frames[1].title() == "Report", "its script has not run"
        page.go_back()
        inside.get_by_role("link", name="night-b").last.click()
        page.wait_for_url("**/dags/nightly_recommendations/runs/night-b")
        expect(page.locator("iframe")).to_have_count(0)


def test_a_viewer_sees_no_way_back(stack: Stack) -> None:
    with browser_page(stack.url) as page:
        page.goto("/recommendations/")
        log_in(page, "vera", stack.passwords["vera"])
        page.wait_for_url("**/recommendations/")
        expect(page.get_by_role("heading", level=2, name="Kept publications")).to_be_visible()
        expect(page.get_by_text("Show again…")).to_have_count(0)
        page.goto(f"/recommendations/rollback/{stack.older}")
        expect(page.get_by_role("heading", level=1)).to_have_text("Not allowed")


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_pages_fit_and_stay_without_errors(stack: Stack, width: int) -> None:
    troubles: list[str] = []
    with browser_page(stack.url, width=width) as page:
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto("/recommendations/")
        log_in(page, "olga", stack.passwords["olga"])
        troubles.clear()
        for dark in (False, True):
            page.emulate_media(color_scheme="dark" if dark else "light")
            for path in ("", "list?user=42", "list", f"rollback/{stack.older}", f"rollback/{stack.newer}", "runbook"):
                page.goto(f"/recommendations/{path}")
                name = path.partition("?")[0].replace("/", "-") or "overview"
                picture(page, f"{name}-{width}{'-dark' if dark else ''}")
                assert not overflows(page), f"{path} is wider than {width} pixels"
                background = page.evaluate("getComputedStyle(document.body).backgroundColor")
                assert (background == "rgb(0, 0, 0)") == dark
        assert troubles == []


def test_the_theme_chosen_in_airflow_wins(stack: Stack) -> None:
    with browser_page(stack.url) as page:
        page.goto("/recommendations/")
        log_in(page, "olga", stack.passwords["olga"])
        page.evaluate("localStorage.setItem('theme', 'dark')")
        page.goto("/")
        inside = open_recommendations(page)
        expect(inside.locator("body")).to_have_css("background-color", "rgb(0, 0, 0)")
        expect(page.locator("html")).to_have_class("dark")
        picture(page, "overview-in-airflow-dark")
