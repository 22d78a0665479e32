"""`recommender-job config check`: everything that is wrong, at once; and the file that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from recommender_job.config import load_config, problems_of
from recommender_job.errors import ConfigurationError


def toml(text: str) -> None:
    Path("recommender.toml").write_text(text, "utf-8")


def test_nothing_is_wrong() -> None:
    assert problems_of() == []
    assert problems_of({"gate.max_rmse": 0.9}) == []


def test_all_problems_of_all_sources_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    toml('shards = "two"\n[gate]\nmax_rms = 1\n')
    monkeypatch.setenv("RECOMMENDER_TOP_M", "3")
    monkeypatch.setenv("RECOMMENDER_MODEL__EPOCH", "3")
    found = {problem.key: (problem.cause, problem.action) for problem in problems_of(["model.epochs=0", "orderby=x"])}
    assert found == {
        "model.epoch": (
            "Environment variable RECOMMENDER_MODEL__EPOCH names no setting.",
            "Did you mean `model.epochs`?",
        ),
        "top_m": ("Environment variable RECOMMENDER_TOP_M names no setting.", "Did you mean `top_n`?"),
        "model.epochs": (
            "Setting `model.epochs`: Input should be greater than or equal to 1 (given: '0').",
            "Correct `model.epochs` and start again.",
        ),
        "gate.max_rms": ("Unknown setting `gate.max_rms`.", "Did you mean `gate.max_rmse`?"),
        "orderby": ("Unknown setting `orderby`.", "Did you mean `order_by`?"),
        "shards": (
            "Setting `shards`: Input should be a valid integer, unable to parse string as an integer (given: 'two').",
            "Correct `shards` and start again.",
        ),
    }  # fmt: skip


def test_a_night_tells_the_first_and_that_there_are_more() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_config({"top_n": 0, "shards": 0, "seed": -1})
    assert caught.value.cause.startswith("Setting `seed`")
    assert caught.value.action.endswith("2 more: `recommender-job config check` lists them.")


def test_a_section_in_the_place_of_a_value_and_the_other_way_round() -> None:
    toml("gate = 3\n")
    (problem,) = problems_of()
    assert problem.cause == "Setting `gate` is a section, not a value."
    assert "`gate.answer_hours`" in problem.action
    toml("[top_n]\nx = 3\n")
    (problem,) = problems_of()
    assert problem.key == "top_n"
    assert "valid integer" in problem.cause


def test_a_key_under_the_wrong_section_finds_its_own() -> None:
    toml("[model]\nmax_rmse = 3\n")
    (problem,) = problems_of()
    assert (problem.cause, problem.action) == ("Unknown setting `model.max_rmse`.", "Did you mean `gate.max_rmse`?")


def test_the_named_file_must_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RECOMMENDER_CONFIG", str(tmp_path / "gone.toml"))
    for ask in (load_config, problems_of):
        with pytest.raises(ConfigurationError, match=r"RECOMMENDER_CONFIG names .*gone.toml, which is no file"):
            ask()


def test_a_file_in_another_encoding_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_bytes("# ajustes del día\n".encode("latin-1"))
    monkeypatch.setenv("RECOMMENDER_CONFIG", str(file))
    with pytest.raises(ConfigurationError, match=r"shop.toml is no TOML: .*utf-8"):
        load_config()


def test_an_empty_text_is_none_where_there_can_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RUNS_URL", "SOURCE_QUERIES", "METRICS__TEXTFILE", "RULES__MAX_PER_GROUP", "CANDIDATES_PER_USER"):
        monkeypatch.setenv(f"RECOMMENDER_{name}", "")
    config = load_config()
    assert (config.runs_url, config.source_queries, config.metrics.textfile) == (None, None, None)
    assert (config.rules.max_per_group, config.candidates_per_user) == (None, None)
    monkeypatch.setenv("RECOMMENDER_TOP_N", "")
    assert [problem.key for problem in problems_of()] == ["top_n"]


def test_an_empty_database_url_is_not_the_embedded_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMMENDER_DATABASE_URL", "")
    url = load_config().database_url
    assert url is not None
    assert url.get_secret_value() == ""
