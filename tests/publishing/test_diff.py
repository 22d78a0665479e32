"""What changes from one publication to another, on lists that can be compared by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from recommender_job.errors import NotPublished
from recommender_job.publishing.diff import diff
from recommender_job.storage.database import Database
from tests.publishing.by_hand import LONG_AGO, publish

#: 1 stays; 2 gets its list in another order; 3 keeps one of four; 4 has a longer one; 5 and 6 go, 7 comes.
BEFORE = {1: (10, 11), 2: (10, 11), 3: (10, 11, 12, 13), 4: (10, 11), 5: (12, 13), 6: (12,)}
AFTER = {1: (10, 11), 2: (11, 10), 3: (10, 20, 21, 22), 4: (10, 11, 20), 7: (20,)}


@pytest.fixture
def compared(database: Database) -> dict[str, Any]:
    publish(database, BEFORE, run_id="before", name="Old ")
    publish(database, AFTER, run_id="after", data_through=LONG_AGO + timedelta(days=1), lower=0.125, shown=False)
    return diff(database, 1, 2)


def test_who_has_a_list(compared: dict[str, Any]) -> None:
    assert compared["users"] == {"both": 4, "only_a": 2, "only_b": 1}


def test_how_alike_the_lists_are(compared: dict[str, Any]) -> None:
    assert compared["identical_lists"] == 1 / 4
    assert compared["mean_overlap"] == pytest.approx((1 + 1 + 1 / 4 + 2 / 3) / 4)
    assert compared["first_changed"] == 1 / 4


def test_how_far_predicted_ratings_move(compared: dict[str, Any]) -> None:
    # In place, a rating falls by an eighth; user 2's move by a quarter up or down with their place besides.
    shared = [0.125, 0.125, 0.25 - 0.125, 0.25 + 0.125, 0.125, 0.125, 0.125]
    assert compared["mean_rating_change"] == pytest.approx(sum(shared) / len(shared))


def test_experiences_whose_share_of_lists_changed_most(compared: dict[str, Any]) -> None:
    rows = {row["experience_id"]: row for row in compared["experiences"]}
    shares = {one: (row["share_a"], row["share_b"]) for one, row in rows.items()}
    assert shares == {
        20: (0, pytest.approx(3 / 5)),
        12: (pytest.approx(3 / 6), 0),
        13: (pytest.approx(2 / 6), 0),
        21: (0, pytest.approx(1 / 5)),
        22: (0, pytest.approx(1 / 5)),
        10: (pytest.approx(4 / 6), pytest.approx(4 / 5)),
        11: (pytest.approx(4 / 6), pytest.approx(3 / 5)),
    }
    assert list(rows) == [20, 12, 13, 21, 22, 10, 11]
    assert (rows[12]["experience_name"], rows[10]["experience_name"]) == ("Old 12", "E10")


def test_users_whose_lists_differ_most(compared: dict[str, Any]) -> None:
    assert compared["most_changed"] == [
        {"user_id": 3, "overlap": 1 / 4},
        {"user_id": 4, "overlap": pytest.approx(2 / 3)},
        {"user_id": 2, "overlap": 1},
    ]


def test_no_more_are_named_than_asked_for(database: Database, compared: dict[str, Any]) -> None:
    fewer = diff(database, 1, 2, experiences=2, users=1)
    assert fewer["experiences"] == compared["experiences"][:2]
    assert fewer["most_changed"] == compared["most_changed"][:1]


def test_what_is_on_record(compared: dict[str, Any]) -> None:
    a, b = compared["a"], compared["b"]
    assert (a["run_id"], a["users"], a["rows"], a["data_through"]) == ("before", 6, 13, LONG_AGO)
    assert (b["run_id"], b["users"], b["rows"], b["published_at"]) == ("after", 5, 12, None)
    assert (b["rmse"], b["model_version"]) == (0.5, "v1")


def test_there_and_back(database: Database, compared: dict[str, Any]) -> None:
    back = diff(database, 2, 1)
    assert (back["a"], back["b"]) == (compared["b"], compared["a"])
    for same in ("identical_lists", "mean_overlap", "first_changed", "mean_rating_change"):
        assert back[same] == pytest.approx(compared[same])


def test_a_publication_does_not_differ_from_itself(database: Database) -> None:
    publish(database, BEFORE)
    same = diff(database, 1, 1)
    assert same["users"] == {"both": 6, "only_a": 0, "only_b": 0}
    assert (same["identical_lists"], same["mean_overlap"], same["first_changed"]) == (1, 1, 0)
    assert (same["mean_rating_change"], same["experiences"], same["most_changed"]) == (0, [], [])


def test_nobody_has_a_list_in_both(database: Database) -> None:
    publish(database, {1: (10,)})
    publish(database, {2: (10,)})
    apart = diff(database, 1, 2)
    assert apart["users"] == {"both": 0, "only_a": 1, "only_b": 1}
    assert [apart[name] for name in ("identical_lists", "mean_overlap", "first_changed", "mean_rating_change")] == (
        [None] * 4
    )


@pytest.mark.parametrize("pair", [(1, 9), (9, 1)])
def test_only_what_is_kept_can_be_compared(database: Database, pair: tuple[int, int]) -> None:
    publish(database, BEFORE)
    publish(database, AFTER)
    with pytest.raises(NotPublished, match="There is no publication 9; kept are: 2, 1"):
        diff(database, *pair)


def test_a_publication_whose_rows_have_gone_is_not_kept(database: Database, connect: Callable[[], Any]) -> None:
    publish(database, BEFORE)
    publish(database, AFTER)
    with connect() as connection:
        connection.cursor().execute("drop table recommender.recommendation_1")
    with pytest.raises(NotPublished, match="kept are: 2"):
        diff(database, 1, 2)
