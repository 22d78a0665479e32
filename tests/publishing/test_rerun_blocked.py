"""A night that was published and is then run again with a stricter gate: the second attempt is what is reported."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recommender_job import nightly
from recommender_job.config import Config
from recommender_job.errors import GateBlocked
from recommender_job.publishing.publications import status
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.importer import import_ratings
from recommender_job.ratings.sample import sample_ratings
from recommender_job.runs import Run
from recommender_job.storage.database import Database


def test_a_blocked_attempt_does_not_claim_what_the_first_one_published(
    make_config: Callable[..., Config], database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "sample.csv"
    sample_ratings(60, 20, seed=1).to_csv(file, index=False)
    now = datetime.now(UTC)
    import_ratings(database, file, Columns(), now=now, scale=(1, 5))
    first = nightly.run_night(make_config({"gate.max_rmse": 9}), Run.at(now))
    assert first["published"]
    with pytest.raises(GateBlocked) as caught:
        nightly.run_night(make_config({"gate.max_rmse": 0.01}), Run.at(now))
    again = caught.value.figures
    assert (again["published"], again["publication_id"]) == (False, None)
    assert list(again["stages"]) == ["extract", "clean", "train", "evaluate"]
    assert status(database)["publication_id"] == first["publication_id"]
