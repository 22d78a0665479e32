"""The backtest: figures and files of a world whose every prediction is known, and of files as people have them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender_job.backtest import Backtest, backtest
from recommender_job.config import load_config
from recommender_job.errors import BadFile, NothingToTrainOn
from recommender_job.ratings.columns import Columns
from tests.graphs import kept_graphs

__all__ = ["kept_graphs"]

#: All vectors stay zero, so that every prediction is the mean of the training ratings and ties rank by experience.
FLAT: dict[str, Any] = {
    "model.epochs": 1,
    "model.learning_rate": 1e-9,
    "model.embedding_init": 0,
    "model.hidden_layers": (),
    "model.bias_terms": False,
    "model.embedding_dimension": 2,
}
#: Lists by predicted rating alone.
ALL: dict[str, Any] = {"candidates_per_user": "all"}
NO_DATES = "user,experience,rating"


@pytest.fixture
def tested(write_csv: Callable[..., Path]) -> Callable[..., Backtest]:
    """Runs a backtest on two lists of lines."""

    def run(train: list[str], test: list[str], header: str = NO_DATES, **settings: Any) -> Backtest:
        files = (write_csv(lines, header, name) for lines, name in ((train, "train.csv"), (test, "test.csv")))
        return backtest(load_config({**FLAT, **settings}), *files, Columns(), lambda epoch, epochs: None)

    return run


def steady(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures without the seconds that were spent."""
    return {
        key: steady(value) if isinstance(value, dict) else value for key, value in figures.items() if key != "seconds"
    }


#: Users 1 and 2 share out experiences 1 to 12 and both know 13 and 14; the mean is 4.
TRAIN = [
    *(f"1,{e},{rating}" for e, rating in zip([1, 2, 3, 4, 13, 14], [5, 3, 4, 4, 4, 4], strict=True)),
    *(f"2,{e},4" for e in [5, 6, 7, 8, 9, 10, 11, 12, 13, 14]),
]
TEST = ["3,1,5", "1,5,5", "1,12,5", "2,1,4", "1,6,2", "1,99,4"]


def test_the_figures_by_hand(tested: Callable[..., Backtest]) -> None:
    figures = tested(TRAIN, TEST, **ALL).figures
    # Errors 1, 1, 1, 0, -2, 0.
    assert figures["rmse"] == pytest.approx(math.sqrt(7 / 6), abs=1e-6)
    assert figures["mae"] == pytest.approx(5 / 6, abs=1e-6)
    assert figures["n"] == 6
    assert figures["baselines"]["global_mean"] == pytest.approx(math.sqrt(7 / 6), abs=1e-6)
    assert set(figures["baselines"]) == {"global_mean", "user_mean", "experience_mean", "user_experience_bias"}
    # User 1 is shown 5 to 12 and liked 5, 12 and 99: first and eighth place, one out of reach. Users 2 and 3 find their
    # one in first place. Users 1 and 2 know 13 and 14, user 3 is shown ten only.
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    assert figures["ndcg@10"] == pytest.approx(((1 + 1 / math.log2(9)) / ideal + 1 + 1) / 3)
    assert figures["recall@10"] == pytest.approx((2 / 3 + 1 + 1) / 3)
    assert figures["coverage"] == pytest.approx(12 / 14)
    assert {key: figures[key] for key in ("train_pairs", "rejected", "epochs")} == {
        "train_pairs": 16,
        "rejected": 0,
        "epochs": 1,
    }
    assert {name: part["n"] for name, part in figures["slices"].items()} == {
        "known_users": 5,
        "unknown_users": 1,
        "known_experiences": 5,
        "unknown_experiences": 1,
    }


def test_the_predictions_are_the_test_file_line_by_line(tested: Callable[..., Backtest]) -> None:
    found = tested(TRAIN, [*TEST, TEST[0]]).predictions
    assert list(found.columns) == ["user", "experience", "rating", "predicted_rating"]
    assert [str(found[name].dtype) for name in ("user", "experience")] == ["int64", "int64"]
    lines = [f"{row.user},{row.experience},{row.rating:g}" for row in found.itertuples()]
    assert lines == [*TEST, TEST[0]]
    np.testing.assert_allclose(found["predicted_rating"], 4, atol=1e-6)


def test_the_lists_by_hand(tested: Callable[..., Backtest]) -> None:
    found = tested(TRAIN, TEST, **ALL).lists
    assert list(found.columns) == ["user", "rank", "experience", "predicted_rating"]
    assert {user: own["experience"].tolist() for user, own in found.groupby("user")} == {
        1: [5, 6, 7, 8, 9, 10, 11, 12],
        2: [1, 2, 3, 4],
        3: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    }
    assert all(own["rank"].tolist() == list(range(1, len(own) + 1)) for _, own in found.groupby("user"))
    np.testing.assert_allclose(found["predicted_rating"], 4, atol=1e-6)


def test_shorter_lists_do_not_change_the_figures(tested: Callable[..., Backtest]) -> None:
    usual, short = tested(TRAIN, TEST, **ALL), tested(TRAIN, TEST, top_n=3, **ALL)
    pd.testing.assert_frame_equal(short.lists, usual.lists[usual.lists["rank"] <= 3].reset_index(drop=True))
    assert steady(short.figures) == steady(usual.figures)
    assert tested(TRAIN, TEST, top_n=11, **ALL).lists["rank"].max() == 11


def test_of_a_pair_that_repeats_the_last_counts(tested: Callable[..., Backtest]) -> None:
    found = tested(["1,1,1", "2,1,4", "1,1,5", "2,2,3"], ["1,2,4"])
    assert found.figures["train_pairs"] == 3
    assert found.predictions["predicted_rating"].tolist() == pytest.approx([4.0], abs=1e-6)


def test_pairs_that_were_trained_on_count_in_no_figure(tested: Callable[..., Backtest]) -> None:
    seen = ["1,13,1", "2,13,5"]
    found = tested(TRAIN, [seen[0], *TEST, seen[1]], **ALL)
    alone = tested(TRAIN, TEST, **ALL)
    assert steady(found.figures) == steady(alone.figures) | {"seen_pairs": 2}
    assert found.predictions["rating"].tolist() == [1, *alone.predictions["rating"], 5]
    assert found.predictions["predicted_rating"].tolist() == pytest.approx([4.0] * 8, abs=1e-6)
    pd.testing.assert_frame_equal(found.lists, alone.lists)


def test_where_all_pairs_were_trained_on_there_is_nothing_to_find_out(tested: Callable[..., Backtest]) -> None:
    with pytest.raises(NothingToTrainOn, match=r"All 2 pairs .* are among those to train on") as caught:
        tested(TRAIN, ["1,13,1", "2,13,5"])
    assert "by pairs, not by rows" in caught.value.action


def test_with_dates_the_latest_counts_wherever_it_stands(tested: Callable[..., Backtest]) -> None:
    train = ["1,1,5,2023-02-01", "2,1,4,2023-01-01", "1,1,1,2023-01-01", "2,2,3,2023-01-01"]
    found = tested(train, ["1,2,4,2023-03-01"], header="user,experience,rating,rated_at")
    assert found.predictions["predicted_rating"].tolist() == pytest.approx([4.0], abs=1e-6)


def test_names_stay_names_and_misspelt_twins_are_one_experience(tested: Callable[..., Backtest]) -> None:
    train = ["ana,Cine Uno,4", "Óscar,cine  uno ,4", "eva,Cine Uno,4", "ana,Museo,4", "u7,Zoo,4"]
    found = tested(train, ["Óscar, museo ,5", "ana,CINE UNO,4", "new,Zoo,4"])
    assert found.predictions[["user", "experience"]].values.tolist() == [
        ["Óscar", " museo "],
        ["ana", "CINE UNO"],
        ["new", "Zoo"],
    ]
    assert {user: own["experience"].tolist() for user, own in found.lists.groupby("user")} == {
        "ana": ["Zoo"],
        "Óscar": ["Museo", "Zoo"],
        "new": ["Cine Uno", "Museo", "Zoo"],
    }
    assert found.figures["slices"]["unknown_experiences"]["n"] == 0


def test_any_whole_number_of_64_bits_stays_a_number(tested: Callable[..., Backtest]) -> None:
    big, small = 2**63 - 1, -(2**63)
    found = tested([f"{big},{big},4", f"{small},5,4", f"3,{small},4"], [f"{big},5,4", f"{small},{big},4"])
    for frame in (found.predictions, found.lists):
        assert [str(frame[name].dtype) for name in ("user", "experience")] == ["int64", "int64"]
    assert found.predictions[["user", "experience"]].values.tolist() == [[big, 5], [small, big]]
    assert found.lists[found.lists["user"] == big]["experience"].tolist() == [small, 5]


def test_no_user_has_two_lists(tested: Callable[..., Backtest]) -> None:
    found = tested(["7,1,4", "007,2,4", "8,3,4"], ["7,2,4", "007,1,4"])
    assert not found.lists.duplicated(["user", "rank"]).any()


def test_strangers_get_a_list_and_finite_predictions(tested: Callable[..., Backtest]) -> None:
    trained = {"model.epochs": 3, "model.learning_rate": 0.01, "model.hidden_layers": (4,), "model.bias_terms": True}
    found = tested(TRAIN, [*TEST, "500,3,4", "501,99,1"], **trained, **{"model.embedding_init": 0.1})
    assert np.isfinite(found.predictions["predicted_rating"]).all()
    assert found.predictions["predicted_rating"].between(1, 5).all()
    lists = found.lists.groupby("user").size()
    assert lists.to_dict() == {1: 8, 2: 4, 3: 10, 500: 10, 501: 10}
    # All strangers are alike to the model.
    own = {user: rows["experience"].tolist() for user, rows in found.lists.groupby("user")}
    assert own[3] == own[500] == own[501]


def test_lines_that_cannot_be_read_are_counted_and_left_out(tested: Callable[..., Backtest]) -> None:
    found = tested([*TRAIN, "1,2,many"], ["1,5,5", ",5,5", "2,1,4"])
    assert found.figures["rejected"] == 2
    assert found.predictions["user"].tolist() == [1, 2]


def test_nobody_liked_anything(tested: Callable[..., Backtest]) -> None:
    figures = tested(TRAIN, ["1,5,3", "2,1,2"], **ALL).figures
    assert figures["ndcg@10"] is None
    assert figures["recall@10"] is None
    assert figures["coverage"] == pytest.approx(12 / 14)
    json.dumps(figures, allow_nan=False)
    assert tested(TRAIN, ["1,5,3"], relevant_rating=3, **ALL).figures["recall@10"] == 1.0


def test_files_that_cannot_be_used(tested: Callable[..., Backtest], write_csv: Callable[..., Path]) -> None:
    with pytest.raises(NothingToTrainOn, match=r"train\.csv holds no readable rating"):
        tested([], TEST)
    with pytest.raises(NothingToTrainOn, match=r"test\.csv holds no readable rating"):
        tested(TRAIN, ["1,2,many"])
    with pytest.raises(BadFile, match=r"gone\.csv: No such file"):
        backtest(load_config(FLAT), Path("gone.csv"), write_csv(TEST, NO_DATES), Columns(), lambda *_: None)
