"""What a person does in Airflow's pages, done by a real browser."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from urllib.parse import quote

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.browser.browser import ARGUMENTS, CHROMIUM, SECONDS, log_in, picture

#: After which nothing moves on a page any more, in milliseconds.
STILL = 1_500


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def logged_in(browser: Browser, url: str, user: str, password: str) -> Iterator[Page]:
    """A page of somebody who has logged in to Airflow, at its start page."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, base_url=url)
    context.set_default_timeout(SECONDS * 1000)
    page = context.new_page()
    try:
        page.goto("/")
        log_in(page, user, password)
        yield page
    finally:
        context.close()


class RunPages:
    """The pages of one run.

    Args:
        page: Somebody's page.
        dag: The DAG.
        run_id: The run.
    """

    def __init__(self, page: Page, dag: str, run_id: str) -> None:
        self.page = page
        self.run_id = run_id
        self.path = f"/dags/{dag}/runs/{quote(run_id, safe='')}"

    def open_grid(self) -> None:
        """Opens the DAG's grid and follows it to this run."""
        self.page.goto(self.path.rsplit("/runs/", 1)[0])
        self.page.locator(f"a[href*='{self.run_id}']").first.click()

    def open_run(self) -> None:
        """Opens the page of the run."""
        self.page.goto(self.path)

    def open_approval(self) -> None:
        """Opens the question that a blocked gate asks."""
        self.page.goto(f"{self.path}/tasks/approve/required_actions")

    def open_shard(self, shard: int) -> None:
        """Opens the page of one scoring shard, with its log."""
        self.page.goto(f"{self.path}/tasks/score/mapped/{shard}")

    def read_log(self, *words: str) -> None:
        """Reads in the log of the open task until all of these stand there."""
        for word in words:
            expect(self.page.get_by_text(re.compile(re.escape(word))).first).to_be_visible()

    def clear_dialog(self) -> Locator:
        """Presses Clear on the open task and waits until it can be confirmed."""
        self.page.get_by_label("Press shift+c to clear").click()
        dialog = self.page.get_by_role("dialog")
        expect(dialog.get_by_role("button", name="Confirm")).to_be_enabled()
        return dialog

    def clear_without_right(self) -> None:
        """Presses Clear as somebody who may not: there is nothing to confirm."""
        self.page.get_by_label("Press shift+c to clear").click()
        expect(self.page.get_by_role("dialog").get_by_role("button", name="Confirm")).to_be_disabled()

    def affected(self, dialog: Locator) -> set[tuple[str, int]]:
        """Task and map index of each row of the dialog."""
        rows = [row.inner_text().split() for row in dialog.locator("tbody tr").all()]
        return {(row[0], int(next(part for part in row[1:] if re.fullmatch(r"-?\d+", part)))) for row in rows}

    def open_form(self) -> None:
        """Opens the form of a run by hand."""
        self.page.goto(self.path.rsplit("/runs/", 1)[0])
        self.page.get_by_role("button", name="Trigger").click()
        expect(self.page.get_by_text("Length of the lists")).to_be_visible()

    def decide(self, answer: str, reason: str) -> None:
        """Writes the reason and presses Approve or Reject."""
        self.page.fill("#element_reason", reason)
        self.page.get_by_role("button", name=answer).click()

    def picture(self, name: str) -> None:
        """Looks at the screen until it is still, as a person does; see `browser.picture`."""
        self.page.wait_for_timeout(STILL)
        picture(self.page, name, whole=False)
