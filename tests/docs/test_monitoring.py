"""examples/monitoring: every metric that a rule or a setting names is one that the job really emits."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from recommender_job.config import Config, load_config
from recommender_job.reporting.metrics import families
from recommender_job.reporting.nights import Night, record
from recommender_job.runs import folder_of
from recommender_job.storage.artifacts import RunFolder
from recommender_job.storage.database import Database
from tests.docs.pages import anchors
from tests.publishing.by_hand import publish

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples" / "monitoring"


def read(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text("utf-8"))


WRITTEN = [rule for group in read("alerts.yml")["groups"] for rule in group["rules"]]
RULES = [rule for rule in WRITTEN if "alert" in rule]
#: How a rule leaves the files of other workers out.
NEWEST = " and on (instance) recommender:newest"


@pytest.fixture
def emitted(config: Config, database: Database) -> dict[str, list[dict[str, str]]]:
    """Every metric, with the labels of its samples, after a whole night."""
    now = datetime.now(UTC)
    publish(database, {1: (5,)}, data_through=now)
    record(database, Night("a-run", now, "published", rmse=0.5, max_rmse=1.0))
    RunFolder(config.runs, folder_of("a-run")).finish("extract", {"seconds": 1, "extracted": 3})
    return {family.name: [dict(labels) for labels, _ in family.samples] for family in families(config, database, now)}


def test_every_metric_of_the_rules_is_emitted(emitted: dict[str, list[dict[str, str]]]) -> None:
    for rule in WRITTEN:
        named = re.findall(r"(recommender_\w+)(?:\{(\w+)=\"([^\"]*)\"\})?", rule["expr"])
        assert named, rule
        for name, label, value in named:
            assert name in emitted, rule["expr"]
            assert not label or value in [labels.get(label) for labels in emitted[name]], rule["expr"]


def test_every_metric_is_told_on_the_page(emitted: dict[str, list[dict[str, str]]]) -> None:
    page = (ROOT / "docs" / "operate.md").read_text("utf-8")
    assert [name for name in emitted if f"`{name}`" not in page] == []


def test_what_a_summary_calls_a_duration_is_one(config: Config, database: Database) -> None:
    """The value of a comparison is its left side; here the rules are worked out as Prometheus would."""
    now = datetime.now(UTC)
    publish(database, {1: (5,)}, data_through=now - timedelta(hours=40))
    record(database, Night("a-run", now, "failed"))
    figures = {one.name: one.samples[0][1] for one in families(config, database, now) if one.samples}
    told = {}
    for rule in RULES:
        if "$value | humanizeDuration" in rule["annotations"]["summary"]:
            left = re.split(" >=? ", rule["expr"].replace(NEWEST, ""))[0]
            told[rule["alert"]] = eval(left, {"time": now.timestamp, "max": float, **figures})
    assert told["RecommendationsStale"] == pytest.approx(4 * 3600, abs=1)
    assert told["RecommenderNightMissing"] == pytest.approx(0, abs=60)
    assert len(told) == 2


def test_of_several_workers_files_the_newest_counts_and_alerts_keep_their_labels() -> None:
    """Whichever worker writes: an alert whose labels change with it would start to wait anew."""
    (recorded,) = [rule for rule in WRITTEN if "record" in rule]
    assert recorded is WRITTEN[0], "rules of a group are worked out in order"
    assert recorded["expr"] == "{0} == scalar(max({0}))".format("recommender_metrics_timestamp_seconds")
    for rule in RULES:
        own = rule["alert"] == "RecommenderMetricsStale"  # it looks at the time of the newest file itself
        series = r"recommender_\w+(\{\S+\})?" + ("" if own else re.escape(NEWEST))
        assert "recommender_" not in re.sub(rf"(max|absent)\({series}\)", "", rule["expr"]), rule["expr"]


def test_the_rules_say_what_to_do() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES) == 6
    for rule in RULES:
        page, anchor = re.fullmatch(r"https://docs\.example/(\w+)/#(.+)", rule["annotations"]["runbook_url"]).groups()
        assert anchor in anchors(ROOT / "docs" / f"{page}.md")
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in ("page", "ticket")


def test_the_settings_are_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (FOLDER / "workers.env").read_text("utf-8").splitlines()
    settings = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert str(load_config().metrics.textfile) == settings["RECOMMENDER_METRICS__TEXTFILE"]
    assert read("prometheus.yml")["rule_files"] == ["alerts.yml"]


def test_the_mapping_covers_what_the_tasks_send() -> None:
    patterns = [one["match"] for one in read("statsd-mapping.yml")["mappings"]]
    sent = (ROOT / "dags" / "recommender_metrics.py").read_text("utf-8")
    names = re.findall(r'f"(recommender\.[^"]+)"', sent)
    assert len(names) == 3
    for name, pattern in zip(sorted(names), ("*.duration", "*.failed", "*.*"), strict=True):
        example = "airflow." + re.sub(r"\{[^}]+\}", "x", name)
        first = next(one for one in patterns if fnmatchcase(example, one))
        assert first == f"airflow.recommender.{pattern}"
