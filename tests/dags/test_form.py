"""The form of a run by hand: it wins over the environment, and a misspelt setting is told with the nearest name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.dag_processing.dagbag import BundleDagBag

from recommender_job.config import Config
from recommender_job.errors import ConfigurationError

FOLDER = Path(__file__).resolve().parents[2] / "dags"
EMPTY: dict[str, Any] = {
    "top_n": None, "shards": None, "cutoff": None, "dry_run": False, "when_blocked": None, "settings": {},
}  # fmt: skip


@pytest.fixture
def filled_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Config]:
    """The configuration of a task whose run was started with a form; only Airflow's context is made up."""
    bag = BundleDagBag(FOLDER / "nightly_recommendations.py", bundle_path=FOLDER)
    names: Any = bag.dags["nightly_recommendations"].get_task("extract").python_callable.__globals__

    def work(**form: Any) -> Config:
        due = SimpleNamespace(run_after=datetime(2024, 5, 1, tzinfo=UTC), run_type="manual")
        context = {"params": {**EMPTY, **form}, "dag_run": due, "run_id": "a-run"}
        monkeypatch.setitem(names, "get_current_context", lambda: context)
        config: Config = names["night"]()[0]
        return config

    return work


def test_the_form_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch, filled_in: Callable[..., Config]) -> None:
    monkeypatch.setenv("RECOMMENDER_TOP_N", "5")
    monkeypatch.setenv("RECOMMENDER_GATE__MAX_RMSE", "0.5")
    assert (filled_in().top_n, filled_in().gate.max_rmse) == (5, 0.5)
    config = filled_in(top_n=6, settings={"gate.max_rmse": 0.6, "gate": {"significance": 0.04}, "shards": 3})
    assert (config.top_n, config.shards) == (6, 3)
    assert (config.gate.max_rmse, config.gate.significance) == (0.6, 0.04)


def test_a_dry_run_that_the_environment_asks_for_stays_one(
    monkeypatch: pytest.MonkeyPatch, filled_in: Callable[..., Config]
) -> None:
    assert (filled_in().dry_run, filled_in(dry_run=True).dry_run) == (False, True)
    monkeypatch.setenv("RECOMMENDER_DRY_RUN", "true")
    assert filled_in().dry_run
    assert not filled_in(settings={"dry_run": False}).dry_run


@pytest.mark.parametrize("typo", [{"gate.max_rms": 1}, {"gate": {"max_rms": 1}}])
def test_a_misspelt_setting_is_told_with_the_nearest(filled_in: Callable[..., Config], typo: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        filled_in(settings=typo)
    assert (caught.value.cause, caught.value.action) == (
        "Unknown setting `gate.max_rms`.", "Did you mean `gate.max_rmse`?",
    )  # fmt: skip
