"""The lists of a night as a whole: how many are different, and how much of them was live before."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_job.errors import OutputRefused
from recommender_job.publishing.publications import switch
from recommender_job.publishing.whole import check_distinct, check_overlap, lists_by_default, whole_figures
from recommender_job.safeguards import ChecksConfig
from recommender_job.storage import partitions
from recommender_job.storage.database import Database, Transaction

#: Lists by user, best first. Of those, two of FIRST hold the same experiences.
FIRST = {1: [10, 20, 30], 2: [30, 10, 20], 3: [10, 20, 40], 4: [50], 7: [10]}
SECOND = {1: [30, 99, 10], 2: [10, 20, 30], 3: [70, 80, 90], 4: [60, 50, 10], 8: [10]}


def attach(transaction: Transaction, lists: dict[int, list[int]]) -> int:
    """A publication of these lists, attached and not active."""
    publication_id = transaction.rows(
        "insert into recommender.publication"
        " (run_id, model_version, data_through, fresh_hours, users, rows, top_n, rmse)"
        " values ('a night', 'a model', now(), 36, 1, 1, 3, 1) returning publication_id"
    )[0]["publication_id"]
    table = partitions.create(transaction, publication_id)
    rows = [
        {"user": user, "rank": rank, "experience": experience}
        for user, own in lists.items()
        for rank, experience in enumerate(own, 1)
    ]
    transaction.run_many(f"insert into {table} values (default, :user, :rank, :experience, 'x', 3, 'model')", rows)
    partitions.attach(transaction, publication_id)
    return publication_id


def figures_of(database: Database, active: dict[int, list[int]] | None, lists: dict[int, list[int]]) -> dict[str, Any]:
    with database.transaction() as transaction:
        if active is not None:
            switch(transaction, attach(transaction, active))
        publication_id = attach(transaction, lists)
        figures = whole_figures(transaction, publication_id)
        row = transaction.row(
            "select distinct_lists, overlap from recommender.publication where publication_id = :id", id=publication_id
        )
    assert row == {"distinct_lists": figures["distinct_lists"], "overlap": figures["overlap"]}
    return figures


def test_where_nothing_is_active(database: Database) -> None:
    assert figures_of(database, None, FIRST) == {
        "distinct_lists": 4, "overlap": None, "users_in_both": 0, "active_id": None,
    }  # fmt: skip


def test_by_hand(database: Database) -> None:
    # Two of three, all, none, and the one of the shorter list; 7 and 8 are in one of the two only.
    assert figures_of(database, FIRST, SECOND) == {
        "distinct_lists": 5, "overlap": pytest.approx((2 / 3 + 1 + 0 + 1) / 4), "users_in_both": 4, "active_id": 1,
    }  # fmt: skip


def test_nobody_is_in_both(database: Database) -> None:
    figures = figures_of(database, {5: [10]}, FIRST)
    assert (figures["overlap"], figures["users_in_both"], figures["active_id"]) == (None, 0, 1)


def test_lists_of_another_length_are_compared_by_the_shorter(database: Database) -> None:
    assert figures_of(database, {1: [10, 20, 30, 40]}, {1: [40, 10]})["overlap"] == 1


def test_longer_lists_too(database: Database) -> None:
    assert figures_of(database, {1: [40, 10]}, {1: [10, 20, 30, 99]})["overlap"] == 0.5


def overlapping(overlap: float | None, users: int = 100) -> dict[str, Any]:
    return {"overlap": overlap, "users_in_both": users, "active_id": 7}


@pytest.mark.parametrize("figures", [overlapping(0.05), overlapping(1.0), overlapping(0.0, 99), overlapping(None, 0)])
def test_lists_that_are_like_the_last_ones_pass(figures: dict[str, Any]) -> None:
    check_overlap(ChecksConfig(), figures)
    check_overlap(ChecksConfig(min_overlap=0), {**figures, "overlap": 0.0})


def test_lists_that_have_nothing_to_do_with_the_last_ones_are_refused() -> None:
    with pytest.raises(
        OutputRefused, match=r"On average 4\.90% of a list is in the user's list .* publication 7"
    ) as caught:
        check_overlap(ChecksConfig(), overlapping(0.049))
    assert "(100 users have both), less than checks.min_overlap 0.05." in caught.value.cause
    assert "`checks.min_overlap`" in caught.value.action


@pytest.mark.parametrize(
    ("found", "users", "by_default", "settings"),
    [(20, 1000, 999, {}), (1, 99, 50, {}), (7, 1000, 7, {}), (1, 1000, 999, {"min_distinct_lists": 0})],
)
def test_lists_that_are_different_enough_pass(found: int, users: int, by_default: int, settings: Any) -> None:
    check_distinct(ChecksConfig(**settings), {"distinct_lists": found}, users, lambda: by_default)


def test_lists_that_are_all_alike_are_refused() -> None:
    with pytest.raises(OutputRefused, match="The 1,000 users have only 19 different lists, fewer than") as caught:
        check_distinct(ChecksConfig(), {"distinct_lists": 19}, 1000, lambda: 20)
    assert caught.value.cause.endswith("without what each has taken, would make 20.")
    assert "`checks.min_distinct_lists`" in caught.value.action


def test_two_users_who_have_both_taken_something_make_two_lists() -> None:
    frame = pd.DataFrame({"user_id": [1, 2], "experience_id": [3, 2]})
    assert lists_by_default(pd.DataFrame({"experience_id": [2, 3, 5]}), frame, 2, 2) == 2
    assert lists_by_default(pd.DataFrame({"experience_id": [2, 3, 5]}), frame, 3, 1) == 2


@given(
    st.permutations([2, 3, 5, 7, 11]),
    st.lists(st.tuples(st.integers(1, 6), st.sampled_from([2, 3, 5, 7, 11, 99])), max_size=20),
    st.integers(1, 5),
)
def test_the_default_list_without_what_each_has_taken(order: list[int], pairs: list[tuple[int, int]], n: int) -> None:
    lists = {tuple([e for e in order if (user, e) not in pairs][:n]) for user in range(1, 7)}
    frame = pd.DataFrame(pairs, columns=["user_id", "experience_id"], dtype="int64")
    assert lists_by_default(pd.DataFrame({"experience_id": order}), frame, 6, n) == len(lists)
