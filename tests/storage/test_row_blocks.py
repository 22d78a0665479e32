"""Blocks of rows while COPY still writes: nothing lost, nothing twice, no row cut in two."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_job.storage import row_blocks
from recommender_job.storage.row_blocks import parsed

COLUMNS = pa.schema([("user_id", pa.int64()), ("rating", pa.float32())])


class Full(Exception):
    pass


@pytest.fixture(params=[1, 8, 64])
def block(request: pytest.FixtureRequest) -> Iterator[int]:
    with patch.object(row_blocks, "BLOCK", request.param):
        yield request.param


def handed_on(writes: list[bytes]) -> list[tuple[bytes, bool]]:
    blocks: list[tuple[bytes, bool]] = []
    with row_blocks.row_blocks(lambda part, header: blocks.append((part.to_pybytes(), header))) as sink:
        for data in writes:
            sink.write(data)
    return blocks


@pytest.mark.usefixtures("block")
@given(st.lists(st.lists(st.sampled_from([b"1", b",", b"\n", b"abc,def\n", b"x" * 20]), max_size=4).map(b"".join)))
def test_the_blocks_are_what_was_written_cut_after_lines(writes: list[bytes]) -> None:
    blocks = handed_on([*writes, b"\n"])
    assert b"".join(part for part, _ in blocks) == b"".join(writes) + b"\n"
    assert all(part.endswith(b"\n") for part, _ in blocks)
    assert [header for _, header in blocks] == [True] + [False] * (len(blocks) - 1)


def test_blocks_are_handed_on_before_the_end() -> None:
    blocks: list[bytes] = []
    with (
        patch.object(row_blocks, "BLOCK", 100),
        row_blocks.row_blocks(lambda part, header: blocks.append(part.to_pybytes())) as sink,
    ):
        for number in range(1000):
            sink.write(b"%03d\n" % number)
            assert number * 4 - sum(map(len, blocks)) <= 200


def test_what_the_taker_raises_reaches_the_writer_and_is_the_end_of_it() -> None:
    calls = []

    def take(part: pa.Buffer, header: bool) -> None:
        calls.append(part)
        raise Full

    def write() -> None:
        with row_blocks.row_blocks(take) as sink:
            for _ in range(100):
                sink.write(b"1,2\n")

    with patch.object(row_blocks, "BLOCK", 4), pytest.raises(Full):
        write()
    assert len(calls) == 1


def test_what_an_interrupted_copy_left_is_not_handed_on() -> None:
    blocks: list[pa.Buffer] = []

    def write() -> None:
        with row_blocks.row_blocks(lambda part, header: blocks.append(part)) as sink:
            sink.write(b"1,2\n")
            raise Full

    with pytest.raises(Full):
        write()
    assert blocks == []


def test_values() -> None:
    text = b"user_id,rating\n1,NaN\n2,Infinity\n-9223372036854775808,\n"
    first, second, third = parsed(pa.BufferReader(text), COLUMNS, header=True).to_pylist()
    assert first["rating"] != first["rating"]
    assert (second["rating"], third) == (float("inf"), {"user_id": -(2**63), "rating": None})
    assert parsed(pa.BufferReader(b"7,1\n"), COLUMNS, header=False).to_pylist() == [{"user_id": 7, "rating": 1.0}]
    assert parsed(pa.BufferReader(b"user_id,rating\n"), COLUMNS, header=True).equals(COLUMNS.empty_table())


def test_a_value_that_does_not_fit_names_its_column() -> None:
    with pytest.raises(pa.ArrowInvalid, match=r"column rating: .* invalid value 'good'"):
        parsed(pa.BufferReader(b"1,good\n"), COLUMNS, header=False)
