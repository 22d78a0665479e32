"""A real browser on Airflow's pages: what people click, for the tests of the stack."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import FrameLocator, Page, expect, sync_playwright

CHROMIUM = "/usr/bin/chromium"
#: It runs as root, without a screen, and asks nothing of the network but what is tested.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDE, NARROW = 1200, 390
SECONDS = 30
expect.set_options(timeout=SECONDS * 1000)  # by itself it gives a page five seconds, too few for a busy machine


@contextlib.contextmanager
def browser_page(url: str, *, width: int = WIDE, dark: bool = False) -> Iterator[Page]:
    """A page of a new browser without cookies.

    Args:
        url: What addresses are relative to.
        width: Of the window, in pixels.
        dark: Whether the system asks for dark pages.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            context = browser.new_context(
                base_url=url,
                viewport={"width": width, "height": 844 if width < 600 else 900},
                color_scheme="dark" if dark else "light",
            )
            context.set_default_timeout(SECONDS * 1000)
            yield context.new_page()
        finally:
            browser.close()


def log_in(page: Page, user: str, password: str) -> None:
    """Fills in Airflow's login form, which must be what the page shows."""
    page.get_by_label("Username").fill(user)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda address: "/auth/login" not in address)


def open_recommendations(page: Page) -> FrameLocator:
    """Clicks "Recommendations" in Airflow's navigation; the page inside Airflow."""
    page.get_by_role("link", name="Recommendations", exact=True).click()
    return page.frame_locator("iframe[title=Recommendations]")


def picture(page: Page, name: str, *, whole: bool = True) -> None:
    """Takes a picture into the folder `$SCREENSHOTS`, for people to look at; without such a folder it does nothing.

    Args:
        page: What to take it of.
        name: Of the picture.
        whole: Also of what is outside the window; a long page takes a busy machine half a minute.
    """
    if named := os.environ.get("SCREENSHOTS"):
        folder = Path(named)
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"{name}.png", full_page=whole)


def overflows(page: Page) -> bool:
    """Whether the page is wider than the window, so that people would have to push it aside."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))
