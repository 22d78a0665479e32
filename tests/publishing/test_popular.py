"""The default list, worked out by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_job.publishing.popular import Totals, popular
from tests.scoring.reference import walk

#: Mean 4. Sums and counts: 10 has 5 + 5, 20 has 4, 30 has 2, 99 (not offered) has 4.
RATINGS = pd.DataFrame({"experience_id": [10, 20, 10, 30, 99], "rating": [5.0, 4.0, 5.0, 2.0, 4.0]}).astype(
    {"rating": "float32"}
)


def offer(ids: Any, group: Any = None, pins: Any = ()) -> pd.DataFrame:
    planned = pd.DataFrame({"experience_id": ids, "group": range(len(ids)) if group is None else group})
    pin = {one: place for place, one in enumerate(pins, 1)}
    return planned.assign(pin=planned["experience_id"].map(pin).astype("Int64"))


OFFERED = offer([5, 10, 20, 30])


def listed(
    n: int = 10, prior: float = 2.0, scale: tuple[float, float] = (1.0, 5.0), offered: Any = OFFERED, **rules: Any
) -> list[tuple[int, int, float]]:
    found = popular(Totals.of(RATINGS), offered, n=n, prior=prior, scale=scale, **rules)
    assert list(found.columns) == ["rank", "experience_id", "predicted_rating", "reason"]
    return list(found.drop(columns="reason").itertuples(index=False, name=None))


def test_by_hand() -> None:
    # (10 + 2·4) / 4; without ratings 4; (4 + 8) / 3; (2 + 8) / 3. Equal averages rank by id.
    assert listed() == [(1, 10, 4.5), (2, 5, 4.0), (3, 20, 4.0), (4, 30, pytest.approx(10 / 3))]


def test_the_prior_decides_how_soon_ratings_are_believed() -> None:
    assert listed(prior=0.5)[0] == (1, 10, pytest.approx(12 / 2.5))
    assert listed(prior=1000.0)[0] == (1, 10, pytest.approx(4010 / 1002))


def test_many_good_ratings_outweigh_one_enthusiast() -> None:
    ratings = pd.DataFrame({"experience_id": [1] + [2] * 50 + [3] * 50, "rating": [5.0] + [4.9] * 50 + [2.0] * 50})
    found = popular(Totals.of(ratings), offer([1, 2, 3]), n=3, prior=10, scale=(1.0, 5.0))
    assert found["experience_id"].tolist() == [2, 1, 3]


def test_at_most_n() -> None:
    assert [row[:2] for row in listed(n=2)] == [(1, 10), (2, 5)]


def test_averages_stay_on_the_scale() -> None:
    assert [row[2] for row in listed(scale=(3.5, 4.2))] == pytest.approx([4.2, 4.0, 4.0, 3.5])


def test_what_is_not_offered_is_not_shown_but_its_ratings_count_for_the_mean() -> None:
    assert 99 not in [row[1] for row in listed()]
    without = popular(Totals.of(RATINGS[RATINGS["experience_id"] != 99]), OFFERED, n=9, prior=2.0, scale=(1.0, 5.0))
    assert without["predicted_rating"].tolist()[1] == 4.0
    lower = RATINGS.assign(rating=RATINGS["rating"].where(RATINGS["experience_id"] != 99, 1.0))
    assert popular(Totals.of(lower), OFFERED, n=9, prior=2.0, scale=(1.0, 5.0))["predicted_rating"].tolist()[1] < 4.0


def test_each_says_why_it_stands_there() -> None:
    found = popular(Totals.of(RATINGS), offer([5, 10, 20, 30, 99], pins=[30]), n=9, prior=2.0, scale=(1.0, 5.0))
    reasons = dict(zip(found["experience_id"], found["reason"], strict=True))
    assert reasons == {
        30: "pinned",
        10: "rated 5.00 on average by 2 users",
        5: "not yet rated",
        20: "rated 4 by one user",
        99: "rated 4 by one user",
    }
    # The mean of the ratings themselves, not the average that is pulled to the overall mean; thousands are readable.
    many = pd.DataFrame({"experience_id": [1] * 1500 + [2], "rating": [4.0, 5.0, 5.0] * 500 + [3.5]})
    reasons = popular(Totals.of(many), offer([1, 2]), n=2, prior=10, scale=(1.0, 5.0))["reason"].tolist()
    assert reasons == ["rated 4.67 on average by 1,500 users", "rated 3.5 by one user"]


def test_pinned_ones_come_first_with_their_own_average() -> None:
    assert listed(offered=offer([5, 10, 20, 30], pins=[30, 20])) == [
        (1, 30, pytest.approx(10 / 3)), (2, 20, 4.0), (3, 10, 4.5), (4, 5, 4.0),
    ]  # fmt: skip
    assert [row[1] for row in listed(n=1, offered=offer([5, 10, 20, 30], pins=[30, 20]))] == [30]


def test_at_most_so_many_of_a_group() -> None:
    offered = offer([5, 10, 20, 30], group=[0, 0, 0, 1], pins=[20])
    assert [row[1] for row in listed(offered=offered)] == [20, 10, 5, 30]
    assert [row[1] for row in listed(offered=offered, max_per_group=2)] == [20, 10, 30]
    assert [row[1] for row in listed(offered=offered, max_per_group=1, n=2)] == [20, 30]
    assert [row[1] for row in listed(offered=offer([5, 10], group=[0, 0], pins=[5, 10]), max_per_group=1)] == [5]


@given(st.data())
def test_whatever_the_rules(data: st.DataObject) -> None:
    ids = [2, 3, 5, 7, 11, 13]
    group = data.draw(st.lists(st.integers(0, 2), min_size=6, max_size=6), "group")
    pins = data.draw(st.lists(st.sampled_from(ids), unique=True, max_size=3), "pins")
    cap, n = data.draw(st.none() | st.integers(1, 3), "cap"), data.draw(st.integers(1, 7), "n")
    some = st.tuples(st.sampled_from([*ids, 99]), st.sampled_from([1.0, 3.0, 5.0]))
    rows = data.draw(st.lists(some, min_size=1, max_size=12), "ratings")
    ratings = pd.DataFrame(rows, columns=["experience_id", "rating"])
    found = popular(Totals.of(ratings), offer(ids, group, pins), n=n, prior=2.0, scale=(1.0, 5.0), max_per_group=cap)
    mean = sum(rating for _, rating in rows) / len(rows)
    own = {e: [rating for other, rating in rows if other == e] for e in ids}
    average = {e: (sum(own[e]) + 2 * mean) / (len(own[e]) + 2) for e in ids}
    order = sorted(ids, key=lambda e: (-average[e], e))
    front, others = walk(order, pins, lambda e: group[ids.index(e)], cap, n)
    assert found["rank"].tolist() == list(range(1, len(front + others) + 1))
    assert found["predicted_rating"].tolist() == [average[e] for e in found["experience_id"]]
    assert found["experience_id"].tolist() == front + others
