"""The parts of the report that are worked out: exposure, the gate's rows, drift, settings, pictures as text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pandas as pd
import pytest

from recommender_job.config import load_config
from recommender_job.evaluating import approval
from recommender_job.ratings.clean import CLEAN
from recommender_job.ratings.extract import EXPERIENCES
from recommender_job.reporting import model_plots
from recommender_job.reporting.drawing import drawn
from recommender_job.reporting.exposure import Exposure, exposure_of, spread
from recommender_job.reporting.history_section import history_section
from recommender_job.reporting.model_plots import history_plot, slices_plot
from recommender_job.reporting.model_section import gate_rows, ratings_section
from recommender_job.reporting.operation_section import drift_section, settings_rows, stage_rows
from recommender_job.reporting.progress import Progress
from recommender_job.scoring.plan import PLANNED_EXPERIENCES
from recommender_job.scoring.score import lists_file
from recommender_job.settings_report import as_text, shown_settings
from recommender_job.storage.artifacts import RunFolder

METRICS: dict[str, Any] = {
    "rmse": 0.7, "mae": 0.5, "n": 9, "rmse_interval": [0.6, 0.8], "champion_is": "trained",
    "champion": {"rmse": 0.71, "mae": 0.51, "n": 9}, "baselines": {"user_mean": 0.9, "global_mean": 0.8},
    "baselines_mae": {"user_mean": 0.6, "global_mean": 0.61},
    "other_intervals": {"user_mean": [0.85, 0.95], "global_mean": [0.75, 0.85], "champion": [0.61, 0.81]},
}  # fmt: skip


@pytest.fixture
def two_shards(folder: RunFolder) -> RunFolder:
    """Three users: experience 7 in three lists, 9 in one; 8 is rated by two, 7 by one; 9 has no name."""
    for shard, rows in enumerate([[(1, 7, 4.9), (2, 7, 3.1), (2, 9, 1.0)], [(3, 7, 5.0)]]):
        folder.write_table(
            lists_file(shard), pd.DataFrame(rows, columns=["user_id", "experience_id", "predicted_rating"])
        )
    folder.write_table(CLEAN, pd.DataFrame({"experience_id": [8, 7, 8]}))
    planned = {"experience_id": range(5, 10), "name": "x", "group": 0, "group_name": "x", "pin": 0}
    folder.write_table(PLANNED_EXPERIENCES, pd.DataFrame(planned))
    folder.write_table(EXPERIENCES, pd.DataFrame({"experience_id": [7, 8], "name": ["seven", "eight"]}))
    return folder


def test_exposure_counts_places_and_ratings_over_all_shards(two_shards: RunFolder) -> None:
    found = exposure_of(two_shards, [0, 1], (1.0, 5.0))
    assert found.counts.to_dict("records") == [
        {"experience_id": 7, "name": "seven", "ratings": 1, "places": 3},
        {"experience_id": 9, "name": "experience 9", "ratings": 0, "places": 1},
        {"experience_id": 8, "name": "eight", "ratings": 2, "places": 0},
    ]
    assert (found.users, found.recommended, found.offered) == (3, 2, 5)
    assert np.flatnonzero(found.scores).tolist() == [0, 10, 19]
    assert found.scores[19] == 2  # the highest rating belongs to the last bin


def test_the_curve_of_concentration_begins_with_the_most_common() -> None:
    counts = pd.DataFrame({"places": [0, 6, 3, 1], "ratings": [1, 1, 1, 1]})
    found = Exposure(counts, 3, 4, spread(np.array([2.0]), (1, 5)))
    assert found.concentration("places").tolist() == pytest.approx([0, 0.6, 0.9, 1, 1])
    assert found.concentration("ratings").tolist() == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert found.held_by_top_tenth("places") == pytest.approx(0.4 * 0.6)
    assert Exposure(counts.assign(places=0), 3, 4, found.scores).concentration("places").tolist() == [0] * 5


def test_the_gates_rows_each_with_its_own_interval_naive_ones_best_first() -> None:
    rows = gate_rows(METRICS)
    assert [(row["name"], row["kind"], row["rmse"], row["mae"], row["interval"]) for row in rows] == [
        ("tonight's model", "challenger", 0.7, 0.5, [0.6, 0.8]),
        ("champion", "champion", 0.71, 0.51, [0.61, 0.81]),
        ("global mean", "naive", 0.8, 0.61, [0.75, 0.85]),
        ("user mean", "naive", 0.9, 0.6, [0.85, 0.95]),
    ]
    same = gate_rows({**METRICS, "champion": None, "champion_is": "same"})
    assert [row["name"] for row in same] == ["tonight's model (= champion)", "global mean", "user mean"]


def drift(**expected: dict[str, float | None]) -> dict[str, Any]:
    sanity = {
        "expected": expected, "compared_with": "x", "warnings": [], "notes": [], "figures": {"refused_share": 0.1},
    }  # fmt: skip
    return drift_section({"sanity": sanity, "reasons": {"rare": 1, "common": 5}})


@pytest.mark.parametrize(
    ("value", "low", "high", "is_out"),
    [
        (5, 5, 9, False),
        (4.9, 5, 9, True),
        (9, 5, 9, False),
        (9.1, 5, 9, True),
        (9.1, None, 9, True),
        (1, None, 9, False),
    ],
)
def test_what_drifted_out_of_its_bounds_is_marked(value: float, low: float | None, high: float, is_out: bool) -> None:
    found = drift(psi={"value": value, "expected": 0.0, "low": low, "high": high})
    assert [(row["kind"], row["is_out"]) for row in found["rows"]] == [("index", is_out)]
    assert found["refused"] == [("common", 5), ("rare", 1)]


def test_only_settings_that_are_not_the_default_are_marked() -> None:
    given = {"top_n": 7, "gate.max_rmse": 0.9, "database_url": "postgresql://job:pass@host/shop"}
    config = approval.deciding(load_config(given), "stop")
    rows = {row["name"]: row for row in settings_rows(config)}
    marked = {name: row["value"] for name, row in rows.items() if row["is_set"]}
    assert marked == {"database_url": "**********", "top_n": "7", "gate.max_rmse": "0.9"}
    assert rows["selection.candidates"]["value"].startswith("narrow, ")
    assert (rows["dry_run"]["value"], rows["rules.pinned"]["value"]) == ("false", "none")
    assert rows["gate.when_blocked"]["value"] == "stop"


def test_settings_show_what_the_command_line_shows() -> None:
    config = load_config({"notify.runbook_url": "https://ops:s3cret@wiki.example/runbook", "preset": "seed"})
    rows = settings_rows(config)
    assert "s3cret" not in str(rows)
    assert "://**********@wiki.example/runbook" in str(rows)
    shown = {one["key"]: one["value"] for one in shown_settings(config)}
    assert {row["name"]: row["value"] for row in rows} == {key: as_text(value) for key, value in shown.items()}


def test_stages_are_measured_against_the_longest() -> None:
    stages = {"extract": {"seconds": 2.0, "peak_mb": 90, "users": 1200, "full_read": True}, "clean": {"seconds": 0.5}}
    found = stage_rows(Progress(stages, "train", {}, None))
    assert [(row["share"], row["peak_mb"], row["counts"]) for row in found["rows"]] == [
        (1.0, 90, ["1,200 users"]),
        (0.25, None, []),
    ]
    assert (found["seconds"], found["peak_mb"]) == (2.5, 90)
    assert stage_rows(Progress({}, "extract", {}, None)) == {"rows": [], "seconds": 0, "peak_mb": None}


def test_ratings_in_bins_carry_the_middle_of_each() -> None:
    clean = {"sanity": {"figures": {"distribution": {"scale": [0, 100], "bins": [0.1] * 9 + [0.1]}}}}
    plot = ratings_section(clean, None)
    assert plot
    assert re.findall(r">(\d5|5)</text>", plot.svg) == ["5", "15", "25", "35", "45", "55", "65", "75", "85", "95"]
    assert ratings_section({"sanity": {"figures": {"distribution": {"values": {}}}}}, None) is None


def drawn_ratings(monkeypatch: pytest.MonkeyPatch, now: dict[str, Any], then: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Labels, shares of tonight and shares of before, as they are drawn; None where nothing is drawn of before."""
    axes = MagicMock()
    monkeypatch.setattr(model_plots, "drawn", lambda name, caption, height, draw: draw(axes))
    ratings_section({"sanity": {"figures": {"distribution": now}}}, then)
    before = axes.plot.call_args.args[1] if axes.plot.called else None
    return axes.set_xticks.call_args.args[1], axes.bar.call_args.args[1], before


def test_a_rating_that_only_one_night_has_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    now, then = {"values": {"1": 0.5, "10": 0.5}}, {"values": {"1": 0.25, "3": 0.75}}
    assert drawn_ratings(monkeypatch, now, then) == (["1", "3", "10"], [50, 0, 50], [25, 75, 0])


def test_nights_whose_ratings_are_not_counted_alike_are_not_drawn_beside_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values, bins = {"values": {"1": 0.5, "5": 0.5}}, {"scale": [1, 5], "bins": [0.1] * 10}
    others = {"scale": [0, 5], "bins": [0.1] * 10}
    for now, then in ((values, bins), (bins, values), (bins, others)):
        assert drawn_ratings(monkeypatch, now, then)[2] is None
    assert drawn_ratings(monkeypatch, bins, bins)[2] == pytest.approx([10] * 10)


def night(days: int, **values: Any) -> dict[str, Any]:
    cutoff = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=days)
    usual = {"cutoff": cutoff, "outcome": "published", "rmse": 0.7, "max_rmse": 1.0, "figures": {}}
    return {**usual, **values}


def test_the_last_nights_hold_tonight_first_and_are_drawn_oldest_first() -> None:
    tonight = night(9, outcome="blocked")
    earlier = [night(8 - number) for number in range(9)]
    found = history_section(tonight, earlier)
    assert [row["is_tonight"] for row in found["rows"]] == [True] + [False] * 6
    assert found["nights"] == 10
    dates = re.findall(r">(\d\d Jan)</text>", found["plot"].svg)
    assert (dates[0], dates[-1]) == ("01 Jan", "10 Jan")
    assert history_section(tonight, [])["plot"] is None
    assert history_section({**tonight, "rmse": None}, [night(1, rmse=None)])["plot"] is None


def test_outcomes_are_told_apart_by_more_than_colour() -> None:
    outcomes = ["published", "dry run", "blocked", "failed"]
    svg = history_plot([night(day, outcome=outcome) for day, outcome in enumerate(outcomes)]).svg
    assert [outcome for outcome in outcomes if f">{outcome}</text>" not in svg] == []
    markers = set(re.findall(r'<path id="(m\w+)"[^>]*stroke: #(?:0072b2|009e73|d55e00|6b6b6b)', svg))
    assert len(markers) == 4


def test_a_plot_keeps_its_figures_and_is_the_same_again() -> None:
    classes = {"1": {"rmse": 0.123456, "n": 5000}, "2+": {"rmse": 0.9, "n": 1}}
    first, again = (slices_plot("name", "Something", classes, 0.5) for _ in range(2))
    assert first == again
    assert ">0.12</text>" in first.svg
    assert "5,000" in first.svg
    assert "xmlns" not in first.svg


def test_plots_on_one_page_share_no_id_and_text_is_escaped() -> None:
    plots = [drawn(name, '<"b">', 2, lambda axes: axes.plot([1, 2], [1.2345, 3], "o", label="<x>")) for name in "ab"]
    ids = [set(re.findall(r' id="([^"]+)"', plot.svg)) for plot in plots]
    assert ids[0]
    assert ids[1]
    assert not ids[0] & ids[1]
    assert 'aria-label="&lt;&#34;b&#34;&gt;"' in plots[0].svg
