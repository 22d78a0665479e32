"""Nights on the whole stack, and what goes wrong in them, repaired as people do: in a browser and by scripts."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import psutil
from playwright.sync_api import Browser, expect

from recommender_job.runs import folder_of
from tests.browser.browser import open_recommendations
from tests.e2e.stack import DAG, Airflow, wait_until
from tests.stack.conftest import USERS, Live
from tests.stack.pages import RunPages, logged_in
from tests.stack.watching import Watcher

PLANNED = "plan/users.parquet"
POOL = "recommender"


class BrokenShard:
    """A night in which a file is cut short after its first shard: the second one fails, and the run."""

    def __init__(
        self, live: Live, airflow: Airflow, conf: dict[str, Any], decide: Callable[[str, Callable[[], None]], None]
    ) -> None:
        self.airflow = airflow
        self.run_id = airflow.trigger({**conf, "shards": 2})
        self.file = live.runs / folder_of(self.run_id) / PLANNED
        try:
            # Whoever has a slot keeps it. Nothing is missed while the browser takes its time: the last training waits.
            decide(self.run_id, lambda: self._slots(0))
            self._wait(lambda: airflow.states(self.run_id).get("refit") == {"scheduled"}, "the training to wait")
            self._slots(1)
            # The plan needs no slot, and may be made between two looks.
            self._wait(
                lambda: airflow.states(self.run_id).get("refit") in ({"queued"}, {"running"}), "the last training"
            )
            self._slots(0)  # the shards wait
            self._wait(lambda: len(self._shards()) == 2, "the shards")
            self._slots(1)
            self._wait(lambda: bool({"queued", "running"} & set(self._shards().values())), "one shard to begin")
            self._slots(0)
            self._wait(lambda: "success" in self._shards().values(), "one shard to end")
            self.whole = self.file.read_bytes()
            self.file.write_bytes(self.whole[: len(self.whole) // 2])
        finally:
            self._slots(2)
        assert airflow.finish(self.run_id) == "failed"
        self.failed = next(shard for shard, state in self._shards().items() if state == "failed")

    def repair(self) -> None:
        """Puts the file back."""
        self.file.write_bytes(self.whole)

    @property
    def clear(self) -> dict[str, Any]:
        """What to ask Airflow for, so that it runs the shard again, and what follows."""
        return {
            "dry_run": False,
            "dag_run_id": self.run_id,
            "task_ids": [["score", self.failed]],
            "include_downstream": True,
            "only_failed": False,
        }

    def attempts(self) -> dict[tuple[str, int], int]:
        """How often each task has run."""
        return {(task["task_id"], task["map_index"]): task["try_number"] for task in self.airflow.tasks(self.run_id)}

    def _shards(self) -> dict[int, str | None]:
        tasks = self.airflow.tasks(self.run_id)
        return {
            task["map_index"]: task["state"] for task in tasks if task["task_id"] == "score" and task["map_index"] >= 0
        }

    def _slots(self, number: int) -> None:
        self.airflow.call(
            "PATCH", f"pools/{POOL}?update_mask=slots", {"name": POOL, "slots": number, "include_deferred": False}
        )

    def _wait(self, ready: Callable[[], bool], what: str) -> None:
        wait_until(ready, 240, what)


def only_the_shard_ran_again(before: dict[tuple[str, int], int], broken: BrokenShard) -> None:
    after = broken.attempts()
    again = {task for task, attempts in after.items() if attempts != before.get(task)}
    assert again - {("publish", -1), ("announce", -1), ("report", -1)} == {("score", broken.failed)}


def test_a_scheduled_night_goes_green(live: Live, airflow: Airflow, first_run: str, browser: Browser) -> None:
    assert first_run.startswith("scheduled__")
    assert all(states == {"success"} for states in airflow.states(first_run).values())
    assert live.rows("select run_id, users from recommender.recommendation_status") == [
        {"run_id": first_run, "users": USERS}
    ]
    with logged_in(browser, live.url, "ops", live.passwords["ops"]) as page:
        pages = RunPages(page, DAG, first_run)
        pages.open_grid()
        expect(page.get_by_text("Success").first).to_be_visible()
        pages.picture("good-night")
        pages.open_form()
        pages.picture("form")
        page.goto("/")
        inside = open_recommendations(page)
        expect(inside.get_by_role("heading", level=1)).to_contain_text("Fresh until")
        pages.picture("recommendations")
        inside.get_by_role("link", name="Latest report").click()
        expect(inside.get_by_role("heading", level=1)).to_contain_text("Tonight's lists are live")
        pages.picture("report")


def test_a_blocked_night_is_rejected_in_the_browser(
    live: Live, airflow: Airflow, watched: Watcher, browser: Browser
) -> None:
    before = live.rows("select publication_id from recommender.recommendation_status")
    run_id = airflow.trigger({"settings": {"gate.max_rmse": 0.1}, "when_blocked": "ask"})
    wait_until(lambda: airflow.states(run_id).get("approve") == {"awaiting_input"}, 240, "the question")
    with logged_in(browser, live.url, "ops", live.passwords["ops"]) as page:
        pages = RunPages(page, DAG, run_id)
        pages.open_approval()
        pages.decide("Reject", "Last night's are better")
        assert airflow.finish(run_id) == "failed"
        page.goto(f"{pages.path}/tasks/approve")
        pages.read_log("GateBlocked", "Last night's are better", "runbook#gateblocked")
        pages.picture("rejected")
    states = airflow.states(run_id)
    assert (states["gate"], states["approve"], states["refit"]) == ({"success"}, {"failed"}, {"upstream_failed"})
    assert live.rows("select publication_id from recommender.recommendation_status") == before


def test_a_blocked_night_is_approved_and_its_broken_shard_repaired_in_the_browser(
    live: Live, airflow: Airflow, watched: Watcher, browser: Browser
) -> None:
    """One night: a person approves it; a viewer and a script cannot repair its broken shard, and a person does."""
    with logged_in(browser, live.url, "ops", live.passwords["ops"]) as page:

        def approve(run_id: str, hold: Callable[[], None]) -> None:
            wait_until(lambda: airflow.states(run_id).get("approve") == {"awaiting_input"}, 240, "the question")
            hold()
            pages = RunPages(page, DAG, run_id)
            pages.open_approval()
            expect(page.get_by_text("gate.max_rmse").first).to_be_visible()
            pages.picture("approval")
            pages.decide("Approve", "The bound was set too low by mistake")

        blocked = {"settings": {"gate.max_rmse": 0.1}, "when_blocked": "ask"}
        broken = BrokenShard(live, airflow, blocked, approve)
        pages = RunPages(page, DAG, broken.run_id)
        pages.open_grid()
        pages.picture("grid")
        pages.open_shard(broken.failed)
        pages.read_log("ArtifactBroken", "publication 1 ", "runbook#artifactbroken")
        pages.picture("error")
        a_viewer_may_look_and_not_clear(live, broken, browser)
        a_script_clears_it_while_it_is_broken(live, broken)
        before = broken.attempts()
        broken.repair()
        pages.open_shard(broken.failed)
        dialog = pages.clear_dialog()
        affected = pages.affected(dialog)
        assert ("score", broken.failed) in affected
        assert {task for task, _ in affected} <= {"score", "publish", "announce", "report"}
        pages.picture("clear")
        dialog.get_by_role("button", name="Confirm").click()
        wait_until(lambda: airflow.run_state(broken.run_id) != "failed", 120, "the run to go on")
        assert airflow.finish(broken.run_id) == "success"
        pages.open_run()
        expect(page.get_by_text("Success").first).to_be_visible()
        pages.picture("green")
    only_the_shard_ran_again(before, broken)
    published = live.rows(
        "select run_id, override_by, override_reason, override_at is not null as dated from recommender.publication"
        " inner join recommender.active_publication using (publication_id)"
    )
    assert published == [
        {
            "run_id": broken.run_id,
            "override_by": "ops",
            "override_reason": "The bound was set too low by mistake",
            "dated": True,
        }
    ]
    assert len(watched.publications) == 2


def a_viewer_may_look_and_not_clear(live: Live, broken: BrokenShard, browser: Browser) -> None:
    before = broken.attempts()
    viewer = live.airflow("looker")
    refused = viewer.client.post(f"/api/v2/dags/{DAG}/clearTaskInstances", json=broken.clear)
    assert refused.status_code == 403
    with logged_in(browser, live.url, "looker", live.passwords["looker"]) as page:
        pages = RunPages(page, DAG, broken.run_id)
        pages.open_shard(broken.failed)
        pages.read_log("ArtifactBroken")
        pages.clear_without_right()
        pages.picture("viewer")
    assert broken.airflow.run_state(broken.run_id) == "failed"
    assert broken.attempts() == before


def a_script_clears_it_while_it_is_broken(live: Live, broken: BrokenShard) -> None:
    before = broken.attempts()
    live.airflow("ops").call("POST", f"dags/{DAG}/clearTaskInstances", broken.clear)
    wait_until(lambda: broken.airflow.run_state(broken.run_id) != "failed", 120, "the run to go on")
    assert broken.airflow.finish(broken.run_id) == "failed"
    only_the_shard_ran_again(before, broken)


def busy_workers(live: Live) -> list[list[psutil.Process]]:
    """The executor's workers that have a task, each with all that it has started."""
    found = []
    for process in live.stack.processes("airflow-scheduler"):
        with contextlib.suppress(psutil.NoSuchProcess):
            children = process.children(recursive=True)
            if children and "LocalExecutor" in " ".join(process.cmdline()):
                found.append([process, *children])
    return found


def test_a_killed_worker_and_a_restarted_scheduler_only_cost_time(
    live: Live, airflow: Airflow, watched: Watcher
) -> None:
    wait_until(lambda: not busy_workers(live), 120, "the tasks of earlier runs to end")
    run_id = airflow.trigger({})
    workers: list[list[psutil.Process]] = []

    def at_its_training() -> bool:
        workers[:] = busy_workers(live)
        # Still running when the workers have been looked at: the only one that has a task has this one.
        return len(workers) == 1 and airflow.states(run_id).get("train") == {"running"}

    wait_until(at_its_training, 240, "the training to be the only task")
    for process in workers[0]:
        process.kill()
    wait_until(lambda: airflow.states(run_id).get("train") != {"running"}, 240, "the loss to be noticed")
    wait_until(lambda: airflow.states(run_id).get("refit") == {"running"}, 240, "the night to go on")
    live.stack.kill("airflow-scheduler")
    live.stack.restart("airflow-scheduler")
    assert airflow.finish(run_id, 600) == "success", airflow.states(run_id)
    tries = {task["task_id"]: task["try_number"] for task in airflow.tasks(run_id)}
    assert tries["train"] == 2
    assert live.rows("select run_id from recommender.recommendation_status") == [{"run_id": run_id}]
