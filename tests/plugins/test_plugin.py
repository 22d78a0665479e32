"""What Airflow itself asks the plugin for, also where the page cannot be made."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugins.conftest import PLUGINS

#: As where the package is not installed: nothing of it can be imported.
WITHOUT = """
import sys
sys.modules["recommender_job"] = None
from recommendations_plugin import RecommendationsPlugin
print(RecommendationsPlugin().fastapi_apps)
"""


def test_without_the_package_airflow_starts_and_the_log_says_why(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT],
        env={"PYTHONPATH": str(PLUGINS), "AIRFLOW_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    said = done.stdout.splitlines()
    assert said[-1] == "[]"
    assert any("The page Recommendations is left out" in line for line in said)
    assert "No module named 'recommender_job" in said[-2]


def test_another_defect_is_logged_too_and_the_page_comes_with_the_next_start(
    airflow_app: object, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import recommendations_plugin
    from recommendations import app

    def broken() -> None:
        raise RuntimeError("Directory 'static' does not exist")

    monkeypatch.setattr(recommendations_plugin, "_apps", [])
    monkeypatch.setattr(app, "create_app", broken)
    with caplog.at_level(logging.ERROR):
        assert recommendations_plugin.RecommendationsPlugin().fastapi_apps == []
    assert "Directory 'static' does not exist" in caplog.text
    monkeypatch.undo()
    assert len(recommendations_plugin.RecommendationsPlugin().fastapi_apps) == 1
