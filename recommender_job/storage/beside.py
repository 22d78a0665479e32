"""Work in a thread beside the caller: one core waits for the database while another packs or unpacks rows."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

#: So many things wait, one more is being worked on; that bounds the memory.
WAITING = 3


@contextlib.contextmanager
def beside(work: Callable[[T], None]) -> Iterator[Callable[[T], None]]:
    """Does work on one thing after another, in order, while the block goes on.

    Args:
        work: What to do with each thing. What it raises is raised by a later hand-over, or at the end of the block; the
            things that wait are then left undone.

    Yields:
        Hands a thing over; waits while `WAITING` others are not done.
    """
    undone: deque[Future[None]] = deque()
    with ThreadPoolExecutor(1) as thread:

        def hand_over(thing: T) -> None:
            if len(undone) == WAITING:
                undone.popleft().result()
            undone.append(thread.submit(work, thing))

        try:
            yield hand_over
            while undone:
                undone.popleft().result()
        finally:
            for one in undone:
                one.cancel()


def ahead(things: Iterator[T]) -> Generator[T]:
    """The same things; the next `WAITING` are made while the caller is at work on the one before.

    What making one raises is raised where it would be due.
    """
    end = object()
    with ThreadPoolExecutor(1) as thread:
        coming: deque[Future[T | object]] = deque(thread.submit(next, things, end) for _ in range(WAITING))
        try:
            while (thing := coming.popleft().result()) is not end:
                coming.append(thread.submit(next, things, end))
                yield thing  # type: ignore[misc]  # `end` is where the loop stops
        finally:
            for one in coming:
                one.cancel()
