"""Whole nights with their run folders in an object store, and what people look at there afterwards."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from plugins.recommendations.reading import report_of
from recommender_job.config import load_config
from recommender_job.storage.database import Database, plain_url
from tests.cli.conftest import QUICK_ENV, Told
from tests.object_store import BUCKET, ObjectStore, object_store, use

NIGHTS = {"night-20240101T000000.000000Z": "2024-01-01T00:00Z", "night-20240102T000000.000000Z": "2024-01-02T00:00Z"}


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with object_store() as found:
        yield found


def test_two_nights_a_report_and_an_erasure_leave_nothing_on_the_machine(
    call: Callable[..., Told], database: Database, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(store, monkeypatch)
    home = tmp_path / "home"
    settings = {
        **QUICK_ENV,
        "RECOMMENDER_HOME": str(home),
        "RECOMMENDER_DATABASE_URL": plain_url(database.url),
        "RECOMMENDER_RUNS_URL": f"s3://{BUCKET}/runs",
        "RECOMMENDER_GATE__MAX_RMSE": "9",
        "RECOMMENDER_KEEP_ALL_PREDICTIONS": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    call("sample-ratings", tmp_path / "ratings.csv", "--users", 40, "--experiences", 15)
    call("import-ratings", tmp_path / "ratings.csv")
    for run_id, cutoff in NIGHTS.items():
        told = call("run", "--as-of", cutoff, "--json")
        assert told.code == 0, told.err
        assert told.json["published"]
        keys = store.keys(f"runs/{run_id}/")
        assert {f"runs/{run_id}/finished/{stage}.json" for stage in told.json["stages"]} <= set(keys)
        assert f"runs/{run_id}/report/report.html" in keys
        assert not [key for key in keys if ".tmp" in key or "scratch" in key]
    first, second = NIGHTS
    assert call("report", second, "--html", tmp_path / "report.html").code == 0
    page = (tmp_path / "report.html").read_bytes()
    assert page == store.get(f"runs/{second}/report/report.html")
    assert report_of(load_config(), second) == page
    assert report_of(load_config(), "never-ran") is None

    with database.transaction() as transaction:
        user = transaction.rows("select min(user_id) as id from recommender.recommendations")[0]["id"]
    receipt = call("erase", user, "--yes", "--json").json
    assert receipt["complete"] is True
    assert sorted(receipt["runs"]) == [first, second]
    ratings = pq.read_table(io.BytesIO(store.get(f"runs/{second}/clean/ratings.parquet")))
    assert user not in ratings["user_id"].to_pylist()
    assert ratings.num_rows > 0
    assert not (home / "runs").exists()
