"""A night that is live, with rules, opt-outs and experiences that may not stand in a list."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from recommender_job import nightly
from recommender_job.config import ENV_PREFIX, Config, load_config
from recommender_job.explaining.why import why
from recommender_job.ratings.columns import Columns
from recommender_job.ratings.importer import import_ratings
from recommender_job.ratings.sample import sample_ratings
from recommender_job.runs import Run
from recommender_job.storage.database import Database, plain_url

#: Later than every rating of the sample.
CUTOFF = datetime(2024, 1, 1, tzinfo=UTC)
#: Experiences and users with a part to play.
INACTIVE, ENDED, LATER, EXCLUDED, PINNED, TWIN, OTHER_TWIN = 1, 2, 3, 4, 5, 6, 7
UNRATED_USER, INACTIVE_USER = 900_001, 900_002

SETTINGS = {
    "model.epochs": 2,
    "model.hidden_layers": (8,),
    "model.embedding_dimension": 4,
    "gate.max_rmse": 9,
    "gate.significance": 1e-2,
    "gate.max_list_loss": 1,
    "gate.min_personal_lists": 0,
    "gate.min_distinct_lists": 0,
    "gate.max_exposure": 1,
    "top_n": 5,
    "candidates_per_user": 8,
    "rules.max_per_group": 1,
}


@dataclass(frozen=True)
class Explained:
    """The live night and what can be asked of it."""

    config: Config
    database: Database

    def why(self, user: int, experience: int | None = None) -> dict[str, Any]:
        """Asks."""
        return why(self.config, self.database, user, experience, nightly.FINAL)

    def rows(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        """Rows of a query."""
        with self.database.transaction() as transaction:
            return transaction.rows(sql, **parameters)


@pytest.fixture(scope="session")
def explained(server: sa.URL, tmp_path_factory: pytest.TempPathFactory) -> Explained:
    """Runs the night once; tests only ask."""
    home = tmp_path_factory.mktemp("explained")
    name = f"explained_{uuid.uuid4().hex}"
    with Database(server.set(database="postgres")).autocommit() as session:
        session.define("create database {name} template template", {"name": name})
    database = Database(server.set(database=name))
    sample_ratings(60, 24, seed=1).to_csv(home / "ratings.csv", index=False)
    import_ratings(database, home / "ratings.csv", Columns(), now=CUTOFF, scale=(1.0, 5.0))
    with database.transaction() as transaction:
        _arrange(transaction.run)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        for variable in [variable for variable in os.environ if variable.startswith(ENV_PREFIX)]:
            patch.delenv(variable)
        config = load_config({**SETTINGS, "home": home, "database_url": plain_url(database.url)})
    for stage in (nightly.extract, nightly.clean, nightly.train, nightly.evaluate):
        stage(config, Run("explained", CUTOFF))
    nightly.RunFolder(config.runs, "explained").finish("gate", {})  # the gate is not what these tests are about
    nightly.refit(config, Run("explained", CUTOFF))
    for shard in nightly.plan_shards(config, Run("explained", CUTOFF))["shards"]:
        nightly.score(config, Run("explained", CUTOFF), shard)
    nightly.publish(config, Run("explained", CUTOFF))
    return Explained(config, database)


def _arrange(run: Callable[..., int]) -> None:
    run("insert into website.users values (:one, true), (:two, false)", one=UNRATED_USER, two=INACTIVE_USER)
    run(
        "insert into website.ratings (user_id, experience_id, rated_at, rating) values (:user, 10, '2023-01-01', 5)",
        user=INACTIVE_USER,
    )
    run("update website.experiences set is_active = false where experience_id = :one", one=INACTIVE)
    run("update website.experiences set available_until = '2023-12-31T10:00Z' where experience_id = :one", one=ENDED)
    run("update website.experiences set available_from = '2024-02-01' where experience_id = :one", one=LATER)
    run(
        "insert into website.experience_rules values (:excluded, null, null, true), (:pinned, null, 1, false),"
        " (:twin, 'twins', null, false), (:other, 'twins', null, false)",
        excluded=EXCLUDED,
        pinned=PINNED,
        twin=TWIN,
        other=OTHER_TWIN,
    )
    # Everybody with an even id does not want number 8; number 9 only until before the night.
    run(
        "insert into website.do_not_recommend select user_id, 8, cast(null as timestamptz) from website.users"
        " where user_id % 2 = 0"
        " union all select user_id, 9, cast('2023-12-01' as timestamptz) from website.users"
    )
