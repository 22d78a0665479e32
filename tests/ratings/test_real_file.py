"""The real ratings, when they are at hand: figures counted beforehand with other tools."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from recommender_job.ratings.columns import Columns
from recommender_job.ratings.importer import import_ratings
from recommender_job.ratings.names import canonical
from recommender_job.storage.database import Database

NOW = datetime(2030, 1, 1, tzinfo=UTC)
COUNTS = {"read": 11165, "rejected": 0, "users": 2382, "experiences": 241}


def test_the_real_file_and_the_real_file_again(database: Database, real_csv: Path) -> None:
    first = import_ratings(database, real_csv, Columns(), now=NOW, scale=(1, 5))
    assert first == {**COUNTS, "imported": 11165, "corrected": 0, "unchanged": 0}
    again = import_ratings(database, real_csv, Columns(), now=NOW, scale=(1, 5))
    assert again == {**COUNTS, "imported": 0, "corrected": 0, "unchanged": 11165}
    with database.transaction() as transaction:
        names = [row["name"] for row in transaction.rows("select name from website.experiences")]
        pairs = transaction.row("select count(distinct (user_id, experience_id)) as pairs from website.ratings")
    assert len({canonical(name) for name in names}) == len(names) == 241
    assert pairs == {"pairs": 4989}
