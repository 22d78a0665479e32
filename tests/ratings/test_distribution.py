"""The distribution of ratings, however they are cut into parts: worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_job.ratings.distribution import BINS, MOST_VALUES, Distribution, bins_of


def shares(*parts: Any, scale: tuple[float, float] = (1, 5)) -> dict[str, Any]:
    distribution = Distribution(scale)
    for part in parts:
        distribution.add(np.array(part, np.float32))
    return distribution.shares


def test_few_values_are_counted_one_by_one() -> None:
    expected = {"values": {"1": 0.25, "4.3": 0.25, "5": 0.5}}
    assert shares([5, 1, 5, 4.3]) == expected
    assert shares([5], [], [1, 5], [4.3]) == expected
    assert list(shares([5], [1, 5], [4.3])["values"]) == ["1", "4.3", "5"]
    assert shares() == shares([]) == {"values": {}}


def test_many_values_are_counted_by_tenth_of_the_scale() -> None:
    many = [low + step / 10 for low in (0, 5, 9) for step in range(10)] + [10]
    expected = {"scale": [0, 10], "bins": pytest.approx([10 / 31, 0, 0, 0, 0, 10 / 31, 0, 0, 0, 11 / 31])}
    assert shares(many, scale=(0, 10)) == expected
    assert shares(many[:3], many[3:20], many[20:30], many[30:], scale=(0, 10)) == expected


def test_one_value_more_than_few_are_many() -> None:
    few = [1 + step / 10 for step in range(MOST_VALUES)]
    assert len(shares(few[:7], few[7:])["values"]) == MOST_VALUES
    assert "bins" in shares(few[:7], few[7:], [4.9])


@given(st.lists(st.lists(st.sampled_from([1 + step / 10 for step in range(31)]), max_size=15), max_size=6))
def test_parts_do_not_matter(parts: list[list[float]]) -> None:
    whole = pd.Series([rating for part in parts for rating in part], dtype="float32")
    told = shares(*parts)
    if whole.nunique() <= MOST_VALUES:
        counted = whole.value_counts(normalize=True).sort_index()
        assert told == {"values": {f"{value:g}": share for value, share in counted.items()}}
    else:
        counts = np.bincount(bins_of(whole.to_numpy(), (1, 5)), minlength=BINS)
        assert told == {"scale": [1, 5], "bins": (counts / len(whole)).tolist()}
