"""The backtest as it is by default: settings chosen on the training file alone, lists that relevance picks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender_job.backtest import Backtest, backtest
from recommender_job.config import load_config
from recommender_job.ratings.columns import Columns
from tests.graphs import kept_graphs
from tests.test_backtest import FLAT, NO_DATES, TEST, TRAIN, steady

__all__ = ["kept_graphs"]

TINY: dict[str, Any] = {"epochs": 2, "hidden_layers": (), "embedding_dimension": 2, "batch_size": 64}
#: Two candidates, no matter how few pairs there are.
CHOSEN: dict[str, Any] = {
    "selection.candidates": {
        "slow": {"model": {**TINY, "learning_rate": 1e-9}},
        "quick": {"model": {**TINY, "learning_rate": 0.05}},
    },
    "relevance.method": "popularity",
}


@pytest.fixture
def tested(write_csv: Callable[..., Path]) -> Callable[..., Backtest]:
    """Runs a backtest on two lists of lines."""

    def run(train: list[str], test: list[str], header: str = NO_DATES, **settings: Any) -> Backtest:
        files = (write_csv(lines, header, name) for lines, name in ((train, "train.csv"), (test, "test.csv")))
        return backtest(load_config(settings), *files, Columns(), lambda epoch, epochs: None)

    return run


def by_user(found: Backtest) -> dict[Any, list[Any]]:
    return {user: own["experience"].tolist() for user, own in found.lists.groupby("user")}


def themes() -> list[str]:
    """Two themes of twelve; everybody has rated six of one theme, and user 99 everything."""
    random = np.random.default_rng(1)
    chosen = [(user, random.permutation(12)[:6]) for user in range(30)]
    rated = [(user, 100 * (1 + user % 2) + e, random.integers(3, 6)) for user, own in chosen for e in own]
    rated = [rated[place] for place in random.permutation(len(rated))]
    return [f"{user},{e},{rating}" for user, e, rating in rated] + [
        f"99,{t}{e:02},4" for t in (1, 2) for e in range(12)
    ]


THEMES = themes()


def test_relevance_picks_what_fits_the_user(tested: Callable[..., Backtest]) -> None:
    had = {user: {int(line.split(",")[1]) for line in THEMES if line.startswith(f"{user},")} for user in (0, 1)}
    found = by_user(tested(THEMES, ["0,201,5", "1,101,5"], **FLAT, order_by="relevance", top_n=6))
    assert set(found[0]) == set(range(100, 112)) - had[0]
    assert set(found[1]) == set(range(200, 212)) - had[1]


def test_predicted_rating_orders_what_relevance_picks(tested: Callable[..., Backtest]) -> None:
    by_popularity = {**FLAT, "relevance.method": "popularity"}
    # A stranger: 13 and 14 are rated twice, the others once.
    assert by_user(tested(TRAIN, TEST, **by_popularity, order_by="relevance"))[3] == [13, 14, *range(1, 9)]
    # Everything is predicted as the mean; equal ones rank by number.
    assert by_user(tested(TRAIN, TEST, **by_popularity))[3] == [*range(1, 9), 13, 14]
    # Short lists are those of the night: relevance picks no more than are shown.
    assert by_user(tested(TRAIN, TEST, **by_popularity, top_n=3))[3] == [1, 13, 14]
    assert by_user(tested(TRAIN, TEST, **by_popularity, candidates_per_user=12))[3] == list(range(1, 11))


def test_the_figures_tell_how_the_model_was_chosen(tested: Callable[..., Backtest]) -> None:
    found = tested(THEMES, ["0,201,5", "1,101,5"], **CHOSEN).figures
    report = found["selection"]
    assert report["how"] == "chosen"
    assert set(report["model"]["candidates"]) == {"slow", "quick"}
    best = min(report["model"]["candidates"], key=lambda name: report["model"]["candidates"][name]["rmse"])
    assert best in report["model"]["chosen"]
    assert report["relevance"]["method"] == "popularity"
    assert found["epochs"] in (1, 2)


def test_nothing_is_chosen_by_looking_at_the_test_file(tested: Callable[..., Backtest]) -> None:
    asked = ["0,201,5", "1,101,5", "7,105,1"]
    one = tested(THEMES, asked, **CHOSEN)
    other = tested(THEMES, [f"{line[:-1]}{6 - int(line[-1])}" for line in asked], **CHOSEN)
    assert steady(one.figures["selection"]) == steady(other.figures["selection"])
    pd.testing.assert_frame_equal(one.lists, other.lists)
    assert one.predictions["predicted_rating"].tolist() == other.predictions["predicted_rating"].tolist()


def test_settings_that_are_given_are_not_chosen(tested: Callable[..., Backtest]) -> None:
    report = tested(THEMES, TEST, **FLAT).figures["selection"]
    assert (report["how"], report["model"]) == ("configured", None)
    assert report["relevance"]["method"] == "ease"
    assert report["relevance"]["tried"] > 1


def test_the_preset_seed_is_not_chosen_but_taken(tested: Callable[..., Backtest]) -> None:
    found = tested(TRAIN, TEST, preset="seed").figures
    assert (found["selection"]["how"], found["epochs"]) == ("configured", 1000)


def test_too_few_ratings_to_compare_anything_on(tested: Callable[..., Backtest]) -> None:
    found = tested(["1,1,5", "2,2,4"], ["1,2,4"], **CHOSEN).figures
    assert found["selection"]["how"] == "untried"
    assert found["epochs"] == 2


@pytest.mark.parametrize("holdout", ["last", "time"])
def test_without_dates_the_order_of_the_lines_is_the_order_of_events(
    tested: Callable[..., Backtest], holdout: str
) -> None:
    asked = ["0,201,5", "1,101,5"]
    dated = [f"{line},2023-01-{1 + n // 24:02} {n % 24:02}:00:00" for n, line in enumerate(THEMES)]
    without = tested(THEMES, asked, **CHOSEN, holdout=holdout)
    stamped = [f"{line},2024-01-01" for line in asked]
    header = f"{NO_DATES},rated_at"
    found = tested(dated, stamped, header=header, **CHOSEN, holdout=holdout)
    assert steady(found.figures) == steady(without.figures)
    # Another order of events, so another choice or other scores: or else this test could not fail.
    backwards = tested(dated, stamped, header=header, **CHOSEN, holdout="random")
    assert steady(backwards.figures)["selection"] != steady(without.figures)["selection"]
    shuffled = tested([*THEMES[60:], *THEMES[:60]], asked, **CHOSEN, holdout=holdout)
    assert steady(shuffled.figures)["selection"] != steady(without.figures)["selection"]


def test_the_same_files_again_give_the_same(tested: Callable[..., Backtest]) -> None:
    one, other = (tested(THEMES, ["0,201,5", "1,101,5"], **CHOSEN) for _ in range(2))
    assert steady(one.figures) == steady(other.figures)
    pd.testing.assert_frame_equal(one.lists, other.lists)
    pd.testing.assert_frame_equal(one.predictions, other.predictions)
