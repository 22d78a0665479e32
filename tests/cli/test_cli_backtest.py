"""The command `backtest`: one JSON object, two Parquet files, no database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

Call = Callable[..., Any]

#: Every prediction is the mean of the training file, 4, and lists rank by experience.
FLAT = [
    "model.epochs=1",
    "model.learning_rate=1e-9",
    "model.embedding_init=0",
    "model.hidden_layers=",
    "model.bias_terms=false",
    "top_n=2",
]
TRAIN = ["1,1,5", "1,2,3", "2,3,4", "2,4,4"]
TEST = ["3,2,4", "1,3,5", "2,1,2"]


@pytest.fixture
def arguments(write_csv: Callable[..., Path], tmp_path: Path) -> list[str]:
    """The command's arguments; its files are p.parquet and l.parquet."""
    files = [str(write_csv(lines, "user,experience,rating", name)) for lines, name in ((TRAIN, "a"), (TEST, "b"))]
    outputs = ["--predictions", str(tmp_path / "p.parquet"), "--lists", str(tmp_path / "l.parquet")]
    settings = [part for setting in FLAT for part in ("--set", setting)]
    return ["backtest", "--train", files[0], "--test", files[1], *outputs, *settings]


def test_one_object_and_two_files(call: Call, arguments: list[str]) -> None:
    told = call(*arguments, "--json")
    assert (told.code, told.err) == (0, "")
    assert len(told.out.splitlines()) == 1
    figures = told.json
    # Errors 0, 1 and -2.
    assert figures["rmse"] == pytest.approx((5 / 3) ** 0.5, abs=1e-6)
    assert figures["mae"] == pytest.approx(1.0, abs=1e-6)
    assert figures["n"] == 3
    assert sorted(figures["baselines"]) == ["experience_mean", "global_mean", "user_experience_bias", "user_mean"]
    assert figures["baselines"]["global_mean"] == pytest.approx((5 / 3) ** 0.5, abs=1e-6)
    # User 3 finds experience 2 in second place, user 1 experience 3 in first.
    assert figures["ndcg@10"] == pytest.approx((0.6309297535714575 + 1) / 2)
    assert (figures["recall@10"], figures["coverage"]) == (1.0, 1.0)
    predictions = pd.read_parquet("p.parquet")
    assert [str(kind) for kind in predictions.dtypes] == ["int64", "int64", "float32", "float32"]
    assert predictions.round(6).to_dict("list") == {
        "user": [3, 1, 2],
        "experience": [2, 3, 1],
        "rating": [4.0, 5.0, 2.0],
        "predicted_rating": [4.0, 4.0, 4.0],
    }
    lists = pd.read_parquet("l.parquet")
    assert list(lists.columns) == ["user", "rank", "experience", "predicted_rating"]
    assert lists[["user", "rank", "experience"]].to_numpy().tolist() == [
        [1, 1, 3], [1, 2, 4], [2, 1, 1], [2, 2, 2], [3, 1, 1], [3, 2, 2],
    ]  # fmt: skip


def test_a_figure_that_does_not_exist_is_null(call: Call, arguments: list[str]) -> None:
    figures = call(*arguments, "--set", "rating_max=6", "--set", "relevant_rating=5.5", "--json").json
    assert figures["ndcg@10"] is None
    assert figures["recall@10"] is None
    assert figures["rmse"] > 1


def test_pairs_that_were_trained_on_are_predicted_and_told(
    call: Call, arguments: list[str], write_csv: Callable[..., Path]
) -> None:
    write_csv([*TEST, "1,1,5", "1,2,5"], "user,experience,rating", "b")
    told = call(*arguments)
    assert "on 3 unseen pairs" in told.out
    assert "2 pairs of the test file are in the training file, too" in told.out
    assert len(pd.read_parquet("p.parquet")) == 5


@pytest.mark.parametrize("option", ["--predictions", "--lists"])
def test_a_folder_that_is_not_there_is_told_before_the_work(call: Call, arguments: list[str], option: str) -> None:
    told = call(*arguments, option, "nowhere/a.parquet")
    assert told.code == 2
    assert "nowhere" in told.err
    assert "training" not in told.out


def test_people_read_a_table(call: Call, arguments: list[str]) -> None:
    told = call(*arguments)
    assert told.code == 0
    for word in ("on 3 unseen pairs", "global_mean", "1.2910", "NDCG", "trained on 4 pairs, 1 epochs"):
        assert word in told.out


def test_a_file_without_its_column_is_told(call: Call, arguments: list[str]) -> None:
    told = call(*arguments, "--user", "customer", "--json")
    assert told.code == 1
    assert told.line.startswith("BadFile: ")
    assert "its header is 'user', 'experience', 'rating'" in told.line
    assert "--user" in told.json["error"]["action"]


def test_an_unknown_setting_is_a_wrong_call(call: Call, arguments: list[str]) -> None:
    told = call(*arguments, "--set", "model.epoch=3")
    assert (told.code, told.out) == (2, "")
    assert "Did you mean `model.epochs`?" in told.line
