"""Readers that read without a pause, as processes of their own, and what their reads are held to."""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg2  # noqa: TID251 - a reader is the website, not the job

#: One row as `list_statement` returns it, and a list of them.
Row = tuple[Any, ...]
List = tuple[Row, ...]

#: Place of columns in a row.
SOURCE, PUBLICATION = 4, 6

_LISTS = """
    select user_id, rank, experience_id, experience_name, predicted_rating, source, reason, publication_id
    from recommender.recommendations order by user_id, rank
"""
_DEFAULT = """
    select rank, experience_id, experience_name, predicted_rating, source, reason, publication_id
    from recommender.default_recommendations order by rank
"""


@dataclass
class Reads:
    """What readers met.

    Args:
        seconds: How long each read took.
        errors: What failed.
        seen: Every different answer, with the user it was given to.
    """

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    seen: set[tuple[int, List]] = field(default_factory=set)

    def quantile(self, share: float) -> float:
        """The duration that this share of the reads does not exceed, in seconds."""
        return sorted(self.seconds)[min(int(share * len(self.seconds)), len(self.seconds) - 1)]


class Readers:
    """Reads random users until the block ends.

    Args:
        url: Where, as an account that has the role website_reader.
        statement: With `%(user_id)s`.
        users: Whom to read.
        count: How many processes.
        seed: Of the order in which they read; each process has its own.
    """

    def __init__(self, url: str, statement: str, users: Sequence[int], count: int, seed: int) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would take along what runs in this process
        self.reads = Reads()
        self._stop = context.Event()
        self._done: Any = context.Array("l", count)
        self._results = context.Queue()
        self._processes = [
            context.Process(
                target=_read, args=(url, statement, users, seed + n, self._stop, self._done, n, self._results)
            )
            for n in range(count)
        ]

    def __enter__(self) -> Readers:
        for process in self._processes:
            process.start()
        self.wait_for_reads(1)
        return self

    def __exit__(self, *failure: object) -> None:
        self._stop.set()
        for _ in self._processes:
            found = self._results.get(timeout=60)
            self.reads.seconds += found.seconds
            self.reads.errors += found.errors
            self.reads.seen |= found.seen
        for process in self._processes:
            process.join()

    def wait_for_reads(self, more: int, seconds: float = 60) -> None:
        """Waits until every reader has read so many more lists.

        Raises:
            TimeoutError: One of them does not read on.
        """
        goal = [done + more for done in self._done]
        deadline = time.monotonic() + seconds
        while any(done < wanted for done, wanted in zip(self._done, goal, strict=True)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"readers stand still: {list(self._done)} of {goal} reads")
            time.sleep(0.01)


def _read(
    url: str, statement: str, users: Sequence[int], seed: int, stop: Any, done: Any, number: int, results: Any
) -> None:
    chosen, found = random.Random(seed), Reads()
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        while not stop.is_set():
            user = chosen.choice(users)
            started = time.perf_counter()
            try:
                cursor.execute(statement, {"user_id": user})
                rows = tuple(cursor.fetchall())
            except psycopg2.Error as error:
                found.errors.append(str(error))
            else:
                found.seconds.append(time.perf_counter() - started)
                found.seen.add((user, rows))
            done[number] += 1
    connection.close()
    results.put(found)


@dataclass
class Published:
    """What each publication holds, noted while it is active."""

    lists: dict[int, dict[int, List]] = field(default_factory=dict)
    defaults: dict[int, List] = field(default_factory=dict)

    def note(self, url: str, publication: int) -> None:
        """Reads all lists of the active publication, which must be this one."""
        found: dict[int, list[Row]] = {}
        with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute(_LISTS)
            for user, *row in cursor:
                found.setdefault(user, []).append(tuple(row))
            cursor.execute(_DEFAULT)
            self.defaults[publication] = tuple(cursor.fetchall())
        self.lists[publication] = {user: tuple(rows) for user, rows in found.items()}

    def faults(self, seen: set[tuple[int, List]]) -> list[str]:
        """What no reader may ever see: a list that is empty, mixed, or not what was published; a line for each."""
        found = []
        for user, rows in sorted(seen, key=str):
            publications = {row[PUBLICATION] for row in rows}
            if len(publications) != 1:
                found.append(f"user {user}: a list of the publications {sorted(publications)}")
                continue
            (publication,) = publications
            expected = self.lists.get(publication, {}).get(user, self.defaults.get(publication))
            if rows != expected:
                found.append(
                    f"user {user}: {len(rows)} rows ({rows[0][SOURCE]}) that publication {publication} has not"
                )
        return found
