"""Work beside the caller: in order, all of it, a bounded part at a time; and what fails is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from recommender_job.storage.beside import WAITING, ahead, beside


class Full(Exception):
    pass


def test_everything_is_done_in_order_in_another_thread() -> None:
    done: list[tuple[int, bool]] = []
    with beside(lambda one: done.append((one, threading.current_thread() is threading.main_thread()))) as hand_over:
        for number in range(100):
            hand_over(number)
    assert done == [(number, False) for number in range(100)]


def test_no_more_than_a_few_things_wait() -> None:
    may_go, begun, handed = threading.Event(), threading.Event(), []

    def work(_one: int) -> None:
        begun.set()
        assert may_go.wait(10)

    def caller() -> None:
        with beside(work) as hand_over:
            for number in range(WAITING + 1):
                hand_over(number)
                handed.append(number)

    thread = threading.Thread(target=caller)
    thread.start()
    assert begun.wait(10)
    # The last hand-over cannot return before a thing is done.
    assert len(handed) <= WAITING
    may_go.set()
    thread.join(10)
    assert handed == list(range(WAITING + 1))


def test_what_fails_is_raised_at_a_later_hand_over() -> None:
    handed = []

    def work(one: int) -> None:
        if one == 3:
            raise Full

    def caller() -> None:
        with beside(work) as hand_over:
            for number in range(100):
                hand_over(number)
                handed.append(number)

    with pytest.raises(Full):
        caller()
    assert 3 <= len(handed) <= 3 + WAITING + 1


def test_what_fails_last_is_raised_at_the_end() -> None:
    def work(_one: int) -> None:
        raise Full

    with pytest.raises(Full), beside(work) as hand_over:
        hand_over(1)


def test_the_callers_own_error_is_the_one_that_is_raised_and_ends_the_work() -> None:
    begun, may_go, done = threading.Event(), threading.Event(), []

    def work(one: int) -> None:
        begun.set()
        assert may_go.wait(10)
        done.append(one)

    def caller() -> None:
        with beside(work) as hand_over:
            hand_over(1)
            hand_over(2)
            assert begun.wait(10)
            threading.Timer(0.05, may_go.set).start()
            raise Full

    with pytest.raises(Full):
        caller()
    assert done == [1]


def test_things_made_ahead_are_the_same() -> None:
    assert list(ahead(iter(range(10)))) == list(range(10))
    assert list(ahead(iter(()))) == []
    assert list(ahead(iter([None, 0]))) == [None, 0]


def test_what_fails_ahead_is_raised_where_it_would_be_due() -> None:
    def things() -> Iterator[int]:
        yield 1
        yield 2
        raise Full

    coming, got = ahead(things()), []
    with pytest.raises(Full):  # noqa: PT012 - what came before it counts
        for one in coming:
            got.append(one)
    assert got == [1, 2]


def test_the_next_thing_is_made_while_the_caller_works() -> None:
    second = threading.Event()

    def things() -> Iterator[int]:
        yield 1
        second.set()
        yield 2

    coming = ahead(things())
    assert next(coming) == 1
    assert second.wait(10)
    assert list(coming) == [2]


def test_who_leaves_early_waits_for_no_more_than_is_being_made() -> None:
    begun, may_go, made = threading.Event(), threading.Event(), []

    def things() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            if number == 1:
                begun.set()
                assert may_go.wait(10)
            yield number

    coming = ahead(things())
    assert next(coming) == 0
    assert begun.wait(10)
    threading.Timer(0.05, may_go.set).start()
    coming.close()
    assert made == [0, 1]
