"""The best of each row: as sorting by value and place gives them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_job.scoring.best import MULTIPLE, Best, best

#: Few different values, so that ties are frequent; the lowest and the highest that count, and both zeros.
VALUES = [-np.inf, np.finfo(np.float32).min, -1e-45, -0.0, 0.0, 1e-45, 1.0, 1.0000001, np.finfo(np.float32).max, np.inf]


def sorted_out(row: list[float], k: int) -> list[int]:
    left = [place for place, value in enumerate(row) if value > -np.inf]
    return sorted(left, key=lambda place: (-row[place], place))[:k]


def found(values: np.ndarray, k: int) -> list[list[int]]:
    places, there = best(values, k)
    assert places.shape == there.shape == (len(values), k)
    assert not places[~there].any()
    assert (there[:, :-1] >= there[:, 1:]).all()
    return [own[real].tolist() for own, real in zip(places, there, strict=True)]


def widened(values: np.ndarray) -> np.ndarray:
    """With columns of -inf at the end, as `Order` gives them."""
    return np.pad(values, ((0, 0), (0, -values.shape[1] % MULTIPLE)), constant_values=-np.inf)


# Lengths that cannot be folded, and that can be once to five times for the smallest k.
@given(st.data(), st.sampled_from([1, 2, 5, 31, 32, 33, 64, 96, 128, 160, 256, 512, 1024]), st.integers(1, 5))
def test_whatever_the_values(data: st.DataObject, columns: int, k: int) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), "seed"))
    pool = data.draw(st.lists(st.sampled_from(VALUES), min_size=1, max_size=4), "pool")
    values = random.choice(np.array(pool, np.float32), (4, columns))
    if data.draw(st.booleans(), "some different"):
        values[random.random(values.shape) < 0.3] = random.standard_normal()
    values[2] = random.standard_normal(columns)
    k = min(k, columns)
    assert found(values, k) == [sorted_out(row, k) for row in values.tolist()]


@pytest.mark.parametrize("columns", [640, 2016, 2001])
@pytest.mark.parametrize("k", [1, 10, 100, 640])
def test_rows_of_a_catalogue(columns: int, k: int) -> None:
    values = np.random.default_rng(3).standard_normal((7, columns)).astype(np.float32)
    values[1] = np.sort(values[1])
    values[2] = np.sort(values[2])[::-1]
    values[3] = np.round(values[3])
    values[4] = -np.inf
    values[5, 5:] = -np.inf
    assert found(values, k) == [sorted_out(row, k) for row in values.tolist()]


def test_all_of_a_row() -> None:
    values = np.array([[2, 3, 2, -np.inf]], np.float32)
    assert found(values, 4) == [[1, 0, 2]]


def test_the_best_that_share_a_folded_column_are_all_found() -> None:
    values = np.zeros((1, 512), np.float32)
    values[0, [3, 3 + 256, 3 + 128, 3 + 32]] = [4, 3, 2, 1]
    assert found(values, 5) == [[3, 259, 131, 35, 0]]


@given(st.data(), st.integers(1, 700), st.integers(1, 100), st.booleans())
def test_in_pieces_as_in_one(data: st.DataObject, columns: int, k: int, compiled: bool) -> None:
    """Also some rows at a time."""
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), "seed"))
    pool = data.draw(st.lists(st.sampled_from(VALUES), min_size=1, max_size=4), "pool")
    values = random.choice(np.array(pool, np.float32), (5, columns))
    values[2] = random.standard_normal(columns)
    values[3] = np.sort(values[2])
    values[4] = values[3] * np.logspace(-40, 36, columns, dtype=np.float32)
    cuts = sorted(data.draw(st.sets(st.integers(1, columns - 1), max_size=4), "cuts")) if columns > 1 else []
    split = data.draw(st.integers(1, 4), "split")
    kept = Best(5, k, compiled=compiled)
    for row, rows in ((0, values[:split]), (split, values[split:])):
        for first, last in zip([0, *cuts], [*cuts, columns], strict=True):
            kept.add(widened(rows[:, first:last]) if compiled else rows[:, first:last].copy(), first, row)
    there = kept.there
    assert [own[real].tolist() for own, real in zip(kept.places, there, strict=True)] == [
        sorted_out(row, k) for row in values.tolist()
    ]
    listed = np.take_along_axis(values, kept.places, axis=1)
    np.testing.assert_array_equal(kept.values, np.where(there, listed, -np.inf))
    assert not kept.places[~there].any()


@pytest.mark.parametrize("k", [1, 10, 13, 64, 65])  # above 64, it is left to NumPy
def test_compiled_as_not(k: int) -> None:
    """Bit by bit, of rows long enough that many are folded into one column."""
    values = np.random.default_rng(k).standard_normal((50, 8192)).astype(np.float32)
    values[1] = np.sort(values[1])
    values[2] = np.sort(values[2])[::-1]
    values[3] = np.round(values[3])
    values[4:6, 5:] = -np.inf
    values[5] *= -1
    values[6] = np.float32(1e-45) * np.round(values[6])
    plain, quick = (Best(50, k, compiled=compiled) for compiled in (False, True))
    for first in range(0, 8192, 2048):
        plain.add(values[:, first : first + 2048].copy(), first)
        quick.add(values[:, first : first + 2048].copy(), first)
    np.testing.assert_array_equal(quick.places, plain.places)
    np.testing.assert_array_equal(quick.values.view(np.int32), plain.values.view(np.int32))


def test_only_rows_with_many_equal_values_are_left_to_others() -> None:
    from recommender_job.scoring.compiled.best import REACHING, keep_best

    values = np.random.default_rng(0).standard_normal((4, 1024)).astype(np.float32)
    values[1], values[2, : REACHING - 1] = 7, 8
    keys, left = np.full((4, 10), np.iinfo(np.int64).max), np.zeros(4, np.bool_)
    keep_best(values, 0, keys, left)
    assert left.tolist() == [False, True, False, False]
    assert (keys[1] == np.iinfo(np.int64).max).all()
    assert (keys[2] & 0xFFFFFFFF).tolist() == list(range(10))


@pytest.mark.parametrize("compiled", [False, True])
def test_of_a_later_piece_the_next_higher_number_counts(compiled: bool) -> None:
    kept, least = Best(1, 2, compiled=compiled), np.nextafter(np.float32(1), np.float32(2))
    kept.add(widened(np.ones((1, 3), np.float32)))
    kept.add(widened(np.array([[1, least, 1]], np.float32)), 3)
    assert kept.places.tolist() == [[4, 0]]


@pytest.mark.parametrize("compiled", [False, True])
def test_zeros_are_equal_whatever_their_sign(compiled: bool) -> None:
    kept = Best(1, 3, compiled=compiled)
    kept.add(widened(np.array([[-1, -0.0, 0.0, -0.0, 0.0]], np.float32)))
    assert kept.places.tolist() == [[1, 2, 3]]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("value", [0.0, -0.0, 3.5, 1e-45, -3.4e38, 3.4e38])
def test_where_all_are_equal_the_first_are_the_best(value: float, compiled: bool) -> None:
    kept = Best(3, 7, compiled=compiled)
    for first in range(0, 6400, 640):
        kept.add(np.full((3, 640), value, np.float32), first)
    assert kept.places.tolist() == [list(range(7))] * 3
    assert (kept.values == np.float32(value)).all()
