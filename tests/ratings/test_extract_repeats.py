"""Ids that a source query returns twice would make two experiences of one: the night says so before it starts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recommender_job import nightly
from recommender_job.config import Config
from recommender_job.errors import SourceBroken
from recommender_job.runs import Run
from recommender_job.storage.paths import sql_folder


@pytest.mark.parametrize(("name", "column"), [("experiences", "experience_id"), ("users", "user_id")])
def test_an_id_that_repeats_is_told(make_config: Callable[..., Config], tmp_path: Path, name: str, column: str) -> None:
    for file in (sql_folder() / "source").glob("*.sql"):
        (tmp_path / file.name).write_text(file.read_text("utf-8"), "utf-8")
    row = {
        "experiences": "select 7 as experience_id, 'Bono' as name, true as is_active,"
        " null as available_from, null as available_until",
        "users": "select 7 as user_id, true as is_active",
    }[name]
    (tmp_path / f"{name}.sql").write_text(f"{row} union all {row}", "utf-8")
    with pytest.raises(SourceBroken) as caught:
        nightly.extract(make_config({"source_queries": tmp_path}), Run.at(datetime(2026, 1, 1, tzinfo=UTC)))
    assert caught.value.cause == f"{tmp_path / name}.sql: {column} repeats in 1 of 2 rows."
    assert caught.value.stage == "extract"
