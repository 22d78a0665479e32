"""A visitor of the website who looks at one list after the other, all the time, as the table contract says."""

from __future__ import annotations

import contextlib
import itertools
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg2

CONTRACT = Path(__file__).resolve().parents[2] / "docs" / "table-contract.md"

#: Between two looks, in seconds. Whoever looks without a pause takes the night a processor.
PAUSE = 0.02

#: A list as the website shows it: rank, experience, name, predicted rating, source, reason.
Shown = tuple[tuple[Any, ...], ...]


def documented_query() -> str:
    """The statement of the contract for "this user's row, or else the default row"."""
    blocks = re.findall(r"```sql\n(.*?)```", CONTRACT.read_text("utf-8"), re.DOTALL)
    query = next(block for block in blocks if block.startswith("with own as materialized"))
    assert query.count("= 42") == 1
    return query.strip().rstrip(";").replace("= 42", "= %s")


class Visitor:
    """Reads in a thread until it is closed, and keeps what it should not have seen.

    Args:
        url: How the website connects.
        expected: By user, every list that the website may show; whoever is not there sees one of those of `None`.
    """

    def __init__(self, url: str, expected: Mapping[int | None, set[Shown]]) -> None:
        self.url = url
        self.expected = expected
        self.reads = 0
        self.wrong: list[str] = []
        self._allowed_away = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._read_on, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    @contextlib.contextmanager
    def server_away(self) -> Iterator[None]:
        """While this lasts the server may be away; afterwards it was read again."""
        self._allowed_away.set()
        yield
        self.wait_for_reads(2)  # one may have begun before it was back
        self._allowed_away.clear()

    def complaints(self) -> list[str]:
        """What was wrong since the last call, read at least once more."""
        self.wait_for_reads(2)
        wrong, self.wrong = self.wrong, []
        return wrong

    def wait_for_reads(self, number: int) -> None:
        """Waits for so many further reads that went well."""
        wanted = self.reads + number
        while self.reads < wanted and not self.wrong:
            assert self._thread.is_alive()
            self._closing.wait(0.005)

    def _read_on(self) -> None:
        query, users = documented_query(), itertools.cycle(sorted(user for user in self.expected if user is not None))
        stranger = min(user for user in self.expected if user is not None) - 1
        connection = None
        while not self._closing.is_set():
            try:
                if connection is None:
                    connection = psycopg2.connect(self.url, connect_timeout=10)
                    connection.autocommit = True
                for user in (next(users), stranger):
                    self._look(connection, query, user)
            except psycopg2.Error as error:
                # The driver tells of a lost connection in several ways, none of which carries a code of the server's.
                lost = isinstance(error, psycopg2.OperationalError) or error.pgcode is None
                if not (lost and self._allowed_away.is_set()):
                    self.wrong.append(f"{type(error).__name__}: {error}")
                if connection is not None:
                    connection.close()
                connection = None
            self._closing.wait(PAUSE)
        if connection is not None:
            connection.close()

    def _look(self, connection: Any, query: str, user: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(query, (user,))
            rows = cursor.fetchall()
        shown = tuple(row[:-1] for row in rows)
        if len({row[-1] for row in rows}) != 1 or shown not in self.expected.get(user, self.expected[None]):
            self.wrong.append(f"user {user} saw {rows}")
        self.reads += 1
