"""A night that is live, with rules, opt-outs and experiences that may not stand in a list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from recommender_job import nightly
from recommender_job.explaining.why import why
from recommender_job.storage.database import Transaction
from tests.graphs import kept_graphs
from tests.small_night import SmallNight, small_night

__all__ = ["kept_graphs"]

#: Experiences and users with a part to play.
INACTIVE, ENDED, LATER, EXCLUDED, PINNED, TWIN, OTHER_TWIN = 1, 2, 3, 4, 5, 6, 7
UNRATED_USER, INACTIVE_USER = 900_001, 900_002


@dataclass(frozen=True)
class Explained(SmallNight):
    """The live night and what can be asked of it."""

    def why(self, user: int, experience: int | None = None) -> dict[str, Any]:
        """Asks."""
        return why(self.config, self.database, user, experience, nightly.FINAL)


@pytest.fixture(scope="session")
def explained(server: sa.URL, tmp_path_factory: pytest.TempPathFactory) -> Explained:
    """Runs the night once; tests only ask."""
    settings = {"candidates_per_user": 8, "rules__max_per_group": 1}
    night = small_night(server, tmp_path_factory.mktemp("explained"), _arrange, **settings)
    return Explained(night.config, night.database)


def _arrange(transaction: Transaction) -> None:
    run = transaction.run
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
        " (:twin, 'twins', null, false), (:other, ' TWINS', null, false)",
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
