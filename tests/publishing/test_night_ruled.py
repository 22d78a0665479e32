"""A whole night under rules: opt-outs, pinned and excluded experiences, and groups, from the tables to the website."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from recommender_job import nightly
from recommender_job.config import Config
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.importer import import_ratings
from recommender_job.ratings.sample import sample_ratings
from recommender_job.runs import Run
from recommender_job.storage.database import Database

NIGHT = Run.at(datetime(2024, 1, 1, tzinfo=UTC))


def test_what_the_tables_say_is_what_the_website_shows(
    make_config: Callable[..., Config], database: Database, tmp_path: Path
) -> None:
    sample_ratings(60, 20, seed=1).to_csv(tmp_path / "ratings.csv", index=False)
    import_ratings(database, tmp_path / "ratings.csv", Columns(), now=NIGHT.cutoff, scale=(1.0, 5.0))
    with database.transaction() as transaction:
        ids = [row["experience_id"] for row in transaction.rows("select * from website.experiences order by 1")]
        pinned, excluded, chain = ids[4], ids[5], ids[8:16]
        rules = [
            (pinned, None, 1, False),
            (excluded, None, None, True),
            *((one, "Chain", None, False) for one in chain),
        ]
        transaction.run_many(
            "insert into website.experience_rules values (:experience, :group, :pin, :excluded)",
            [dict(zip(("experience", "group", "pin", "excluded"), rule, strict=True)) for rule in rules],
        )
        had = {tuple(row.values()) for row in transaction.rows("select user_id, experience_id from website.ratings")}
        users = sorted({user for user, _ in had})
        free = [user for user in users if (user, pinned) not in had]
        ended = [{"user": user, "until": NIGHT.cutoff} for user in free[:2]]
        still = [{"user": user, "until": NIGHT.cutoff + timedelta(microseconds=1)} for user in free[2:4]]
        transaction.run_many(
            "insert into website.do_not_recommend values (:user, :experience, :until)",
            [{**row, "experience": pinned} for row in [*ended, *still, {"user": free[4], "until": None}]],
        )
    settings = {"top_n": 6, "gate.max_rmse": 9, "rules.max_per_group": 2, "candidates_per_user": 8}
    result = nightly.run_night(make_config(settings), NIGHT)
    assert result["published"] is True
    assert result["stages"]["plan_shards"]["opt_outs"] == 3
    with database.transaction() as transaction:
        shown = transaction.rows("select * from recommender.recommendations order by user_id, rank")
        default = transaction.rows("select * from recommender.default_recommendations order by rank")
    lists = {user: [row["experience_id"] for row in shown if row["user_id"] == user] for user in users}
    for user, own in lists.items():
        left = [one for one in ids if one != excluded and (user, one) not in had]
        left = [one for one in left if one != pinned or user not in free[2:5]]
        most = len(set(left) - set(chain)) + min(2, len(set(left) & set(chain)))
        assert len(own) == min(6, most)
        assert set(own) <= set(left)
        assert len(set(own) & set(chain)) <= 2
        assert (own[0] == pinned) == (pinned in left)
    assert Counter(len(own) for own in lists.values())[6] > 50
    assert {row["source"] for row in shown} == {"model"}
    assert default[0]["reason"] == "pinned"
    assert default[0]["experience_id"] == pinned
    assert len(default) == 6
    assert excluded not in [row["experience_id"] for row in default]
    assert len({row["experience_id"] for row in default} & set(chain)) <= 2
